// The sample clip as a source of sound: fetched whole, then handed on in frames of 20 ms at the pace of the
// clock, as a microphone would. Late timers catch up, so nothing is left out when the tab is slow.
import type { SpeechSession } from '@crossfade/speech';
import type { SoundSource } from './conversation.ts';

const frameSamples = 320;
const frameMs = 20;

/** Starts the clip; `onEnd` is called after its last frame, not after `stop`. */
export async function openSample(session: SpeechSession, onEnd: () => void): Promise<SoundSource> {
  const response = await fetch('/sample.wav');
  if (!response.ok) throw new Error('the sample could not be loaded');
  const samples = samplesOf(await response.arrayBuffer());
  const startedAt = performance.now();
  let next = 0;
  const timer = setInterval(() => {
    const due = ((performance.now() - startedAt) / frameMs) * frameSamples;
    for (; next < due && next < samples.length; next += frameSamples) {
      session.push(samples.slice(next, next + frameSamples));
    }
    if (next < samples.length) return;
    clearInterval(timer);
    onEnd();
  }, frameMs);
  return { stop: () => clearInterval(timer) };
}

/** The samples of a PCM16 mono 16 kHz WAV file. */
function samplesOf(bytes: ArrayBuffer): Int16Array {
  const view = new DataView(bytes);
  for (let at = 12; at + 8 <= bytes.byteLength;) {
    const sizeBytes = view.getUint32(at + 4, true);
    if (view.getUint32(at) === 0x64617461) {
      const count = Math.floor(Math.min(sizeBytes, bytes.byteLength - at - 8) / 2);
      return Int16Array.from({ length: count }, (_, index) => view.getInt16(at + 8 + index * 2, true));
    }
    at += 8 + sizeBytes + (sizeBytes % 2);
  }
  throw new Error('the sample is not a WAV file');
}
