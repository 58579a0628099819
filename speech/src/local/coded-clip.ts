// A conversation in coded speech as a WAV file, for whoever speaks a known text to the local servers.
import { encodeWord, type CodedSpeaker } from './coded-word.ts';

const rateHz = 16_000;
const headBytes = 44;
const wordGapMs = 90;
const turnGapMs = 700;

/** Who says what, in turn. PCM16 mono 16 kHz as a RIFF file. */
export function codedClip(turns: readonly (readonly [CodedSpeaker, string])[]): Uint8Array<ArrayBuffer> {
  return wavOf(turns.flatMap(([speaker, line]) => [...spoken(speaker, line), silence(turnGapMs)]));
}

function spoken(speaker: CodedSpeaker, line: string): Int16Array[] {
  return line.split(' ').flatMap((word) => [encodeWord(word, speaker), silence(wordGapMs)]);
}

function silence(lengthMs: number): Int16Array {
  return new Int16Array((rateHz * lengthMs) / 1000);
}

function wavOf(parts: readonly Int16Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const bytes = new Uint8Array(headBytes + length * 2);
  const view = new DataView(bytes.buffer);
  const text = (at: number, chars: string) => bytes.set(new TextEncoder().encode(chars), at);
  text(0, 'RIFF');
  view.setUint32(4, bytes.length - 8, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rateHz, true);
  view.setUint32(28, rateHz * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, length * 2, true);
  let at = headBytes;
  for (const part of parts)
    for (const sample of part) {
      view.setInt16(at, sample, true);
      at += 2;
    }
  return bytes;
}
