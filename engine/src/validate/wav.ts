// A recording as samples: WAV, PCM16, mono, 16 kHz, at most a minute. Anything else is refused with what it
// is.
import { readFileSync } from 'node:fs';
import { CrossfadeError } from '../errors.ts';

const rateHz = 16_000;
const longestS = 60;

export function readWav(path: string): Int16Array {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new CrossfadeError('source', `there is no recording ${path}`, 'name a WAV file', cause);
  }
  const isRiff = bytes.toString('latin1', 0, 4) === 'RIFF' && bytes.toString('latin1', 8, 12) === 'WAVE';
  if (!isRiff) throw wrong(path, 'no WAV file');
  let samples: Int16Array | undefined;
  for (let at = 12; at + 8 <= bytes.length;) {
    const [name, size] = [bytes.toString('latin1', at, at + 4), bytes.readUInt32LE(at + 4)];
    const chunk = bytes.subarray(at + 8, at + 8 + size);
    if (name === 'fmt ') {
      const [format, channels, rate, bits] = [0, 2, 4, 14].map((offset) =>
        offset === 4 ? chunk.readUInt32LE(offset) : chunk.readUInt16LE(offset),
      );
      if (format !== 1 || channels !== 1 || rate !== rateHz || bits !== 16)
        throw wrong(path, `${bits} bits, ${channels} channels, ${rate} Hz`);
    }
    if (name === 'data') samples = new Int16Array(Uint8Array.from(chunk).buffer, 0, chunk.length >> 1);
    at += 8 + size + (size % 2);
  }
  if (!samples) throw wrong(path, 'without sound');
  if (samples.length > longestS * rateHz) throw wrong(path, `longer than ${longestS} s`);
  return samples;
}

function wrong(path: string, what: string): CrossfadeError {
  const hint = '`ffmpeg -i IT -ac 1 -ar 16000 -c:a pcm_s16le OUT.wav` makes one';
  return new CrossfadeError('usage', `${path} is ${what}, not a WAV of 16 bits, mono, 16 000 Hz`, hint);
}
