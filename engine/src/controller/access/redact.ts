// Takes what looks like a credential out of a text that somebody else wrote, before it is kept or said back:
// tokens of ours, credentials in URLs, and any run of more than 40 letters and digits (keys, digests, JWTs).
// A git commit (40) stays readable. Our own texts never hold a secret; this is for what comes from outside.

export function redacted(text: string): string {
  return text
    .replace(/\bcf_[a-z0-9-]+_[0-9a-f]+_[0-9a-f]+/gi, '[redacted]')
    .replace(/\/\/[^\s/@]*:[^\s/@]*@/g, '//[redacted]@')
    .replace(/\b(bearer|basic)\s+\S+/gi, '$1 [redacted]')
    .replace(/[A-Za-z0-9+_-]{41,}={0,2}/g, '[redacted]');
}
