// GET /sample.wav: a conversation for people without a microphone. By default two voices in coded speech,
// which the local recognisers hear exactly; VOICE_SAMPLE names a recording (WAV, PCM16 mono 16 kHz) to use
// with a real vendor. Made at the first request and kept.
import { readFile } from 'node:fs/promises';
import { encodeWord, type CodedSpeaker } from '@crossfade/speech/local';

const rateHz = 16_000;
const headBytes = 44;
const wordGapMs = 90;
const turnGapMs = 700;

const turns: readonly (readonly [CodedSpeaker, string])[] = [
  [1, 'good evening everyone and thank you for coming to our table tonight'],
  [2, 'thank you for having us it is good to read along with every word'],
  [1, "if the service moves to another place while we talk you won't lose a thing"],
  [2, 'so we just keep talking'],
  [1, "we just keep talking and that's all there is to it"],
];

let made: Promise<Uint8Array<ArrayBuffer>> | undefined;

export async function sampleClip(): Promise<Response> {
  made ??= recording();
  const headers = { 'content-type': 'audio/wav', 'cache-control': 'no-cache' };
  return new Response(await made, { headers });
}

async function recording(): Promise<Uint8Array<ArrayBuffer>> {
  const path = process.env['VOICE_SAMPLE'];
  return path ? new Uint8Array(await readFile(path)) : wavOf(codedConversation());
}

function codedConversation(): Int16Array {
  const parts = turns.flatMap(([speaker, line]) => [
    ...line.split(' ').flatMap((word) => [encodeWord(word, speaker), silence(wordGapMs)]),
    silence(turnGapMs),
  ]);
  const samples = new Int16Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    samples.set(part, at);
    at += part.length;
  }
  return samples;
}

function silence(lengthMs: number): Int16Array {
  return new Int16Array((rateHz * lengthMs) / 1000);
}

/** PCM16 mono 16 kHz as a RIFF file. */
function wavOf(samples: Int16Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(headBytes + samples.length * 2);
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
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, index) => view.setInt16(headBytes + index * 2, sample, true));
  return bytes;
}
