// Environment values in a backup, only where they are asked for and only encrypted: AES-256-GCM under a key
// that scrypt derives from app.env.sealKey and a random salt. Bound to its place by the tag.
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';

const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 2 ** 20 };
const [saltBytes, nonceBytes, tagBytes] = [16, 12, 16];

/** salt, nonce, tag, text. */
export function locked(secret: string, place: string, plain: Buffer): Buffer {
  const [salt, nonce] = [randomBytes(saltBytes), randomBytes(nonceBytes)];
  const cipher = createCipheriv('aes-256-gcm', scryptSync(secret, salt, 32, cost), nonce);
  cipher.setAAD(Buffer.from(place));
  const text = Buffer.concat([cipher.update(plain), cipher.final()]);
  return Buffer.concat([salt, nonce, cipher.getAuthTag(), text]);
}

/** Throws when the secret, the place or a byte is another. */
export function unlocked(secret: string, place: string, box: Buffer): Buffer {
  const salt = box.subarray(0, saltBytes);
  const nonce = box.subarray(saltBytes, saltBytes + nonceBytes);
  const tag = box.subarray(saltBytes + nonceBytes, saltBytes + nonceBytes + tagBytes);
  const decipher = createDecipheriv('aes-256-gcm', scryptSync(secret, salt, 32, cost), nonce, {
    authTagLength: tagBytes,
  });
  decipher.setAAD(Buffer.from(place)).setAuthTag(tag);
  return Buffer.concat([decipher.update(box.subarray(saltBytes + nonceBytes + tagBytes)), decipher.final()]);
}
