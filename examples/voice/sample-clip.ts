// GET /sample.wav: a conversation for people without a microphone. By default two voices in coded speech,
// which the local recognisers hear exactly; VOICE_SAMPLE names a recording (WAV, PCM16 mono 16 kHz) to use
// with a real vendor. Made at the first request and kept.
import { readFile } from 'node:fs/promises';
import { codedClip, type CodedSpeaker } from '@crossfade/speech/local';

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
  return path ? new Uint8Array(await readFile(path)) : codedClip(turns);
}
