// A clip of coded speech as a WAV file, for callers that speak a known text to the local vendors.
import { writeFileSync } from 'node:fs';
import { encodeWord } from '../../speech/src/local/coded-word.ts';

const rateHz = 16_000;

/** Coded speech, which the local vendors hear exactly. */
export function codedClip(path: string, said: string): void {
  const gap = new Int16Array(rateHz * 0.09);
  const parts = said
    .split(' ')
    .flatMap((word, index) => [encodeWord(word), index === 6 ? new Int16Array(rateHz * 0.6) : gap]);
  const samples = Buffer.concat(
    parts.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer, byteOffset, byteLength)),
  );
  const head = Buffer.alloc(44);
  head.write('RIFF', 0);
  head.writeUInt32LE(36 + samples.length, 4);
  head.write('WAVEfmt ', 8);
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(1, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rateHz, 24);
  head.writeUInt32LE(rateHz * 2, 28);
  head.writeUInt16LE(2, 32);
  head.writeUInt16LE(16, 34);
  head.write('data', 36);
  head.writeUInt32LE(samples.length, 40);
  writeFileSync(path, Buffer.concat([head, samples]));
}
