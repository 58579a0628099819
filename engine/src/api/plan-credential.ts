// The credential with which an app's session-plan handler asks the gateway: derived from the key that
// gateway and controller share, so that neither has to send it to the other.
import { createHmac } from 'node:crypto';

/** Hex HMAC-SHA256 of `plan` under the shared key (hex); the password of `plan:…@` in CROSSFADE_PLAN. */
export function planCredential(key: string): string {
  return createHmac('sha256', Buffer.from(key, 'hex')).update('plan').digest('hex');
}
