// The headers of every answer: nothing runs but the app's own files, nothing is inlined, nothing is loaded
// from elsewhere. The one thing a page may reach outside is a speech vendor's socket. A page lives longer
// than a release, so both releases must name the same vendors: VOICE_CONNECT, origins separated by spaces.

const vendors = ['eu', 'us', 'global'].map((region) => `wss://${region}.rt.speechmatics.com`);
const named = (process.env['VOICE_CONNECT'] ?? vendors.join(' ')).split(/\s+/).filter(Boolean);
const direct = originOf(process.env['VOICE_DIRECT_URL']);
const connect = ["'self'", ...named, ...(direct === undefined ? [] : [direct])].join(' ');

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "media-src 'self'",
  `connect-src ${connect}`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const securityHeaders: Readonly<Record<string, string>> = {
  'content-security-policy': policy,
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'microphone=(self), camera=(), geolocation=()',
};

function originOf(address: string | undefined): string | undefined {
  if (!address) return undefined;
  const { protocol, host } = new URL(address);
  return `${protocol}//${host}`;
}
