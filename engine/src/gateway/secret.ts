// Secrets for one use each, made of the key that controller and gateway share: knowing one tells nothing of
// another.
import { createHmac } from 'node:crypto';

/** `key` in hex; 64 hex digits back. */
export function deriveSecret(key: string, use: string): string {
  return createHmac('sha256', Buffer.from(key, 'hex')).update(`crossfade:${use}`).digest('hex');
}
