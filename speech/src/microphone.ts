// The web's microphone for a SpeechSession: an AudioWorklet posts 20 ms frames with the audio clock's frame
// number, they are resampled to 16 kHz before the timeline, and frames that never came are told as a hole of
// their length. M1 capture goes on in a background tab: the worklet is not throttled. M2 a change of device
// rebuilds the resampler, not the session. Native apps push their own frames with `session.push`.
import { Resampler } from './resampler.ts';
import type { SpeechSession } from './session.ts';
import { RATE_HZ } from './timeline.ts';

/** How to capture. */
export type MicrophoneOptions = {
  /** An own file with the worklet, where a content security policy forbids blob: scripts. */
  readonly workletUrl?: string;
  readonly constraints?: MediaTrackConstraints;
};

/** A running capture; `stop` frees the device. */
export type Microphone = {
  /** True while the system or the user has muted the device. */
  readonly isMuted: boolean;
  stop(): Promise<void>;
};

/**
 * One post of the worklet: `frame` is the audio clock at its first sample, in samples of the context's rate.
 */
export type CapturedFrame = { readonly samples: Int16Array; readonly frame: number };

/** Holes shorter than this are rounding of the audio clock. */
const HOLE_MS = 200;

/** The worklet as source text; served from a Blob URL, or write it to a file of your own. */
export const MICROPHONE_WORKLET = `
registerProcessor('crossfade-microphone', class extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = Math.round(sampleRate / 50);
    this.block = new Int16Array(this.size);
    this.filled = 0;
  }
  process(inputs) {
    const channel = inputs[0] && inputs[0][0];
    if (!channel) return true;
    for (let index = 0; index < channel.length; index += 1) {
      if (this.filled === 0) this.first = currentFrame + index;
      this.block[this.filled] = Math.max(-1, Math.min(1, channel[index])) * 32767;
      this.filled += 1;
      if (this.filled < this.size) continue;
      this.port.postMessage({ samples: this.block, frame: this.first }, [this.block.buffer]);
      this.block = new Int16Array(this.size);
      this.filled = 0;
    }
    return true;
  }
});
`;

/** Captures the default microphone into a session; asks for permission, and rejects when it is denied. */
export async function openMicrophone(
  session: SpeechSession,
  options: MicrophoneOptions = {},
): Promise<Microphone> {
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true, ...options.constraints },
  });
  const context = new AudioContext();
  const url =
    options.workletUrl ?? URL.createObjectURL(new Blob([MICROPHONE_WORKLET], { type: 'text/javascript' }));
  try {
    await context.audioWorklet.addModule(url);
  } finally {
    if (options.workletUrl === undefined) URL.revokeObjectURL(url);
  }
  const node = new AudioWorkletNode(context, 'crossfade-microphone', { numberOfOutputs: 0 });
  const frames = new FrameSequence(context.sampleRate);
  node.port.onmessage = (event: MessageEvent<CapturedFrame>) => {
    const { missingSamples, samples } = frames.next(event.data);
    session.skip(missingSamples);
    session.push(samples);
  };
  context.createMediaStreamSource(stream).connect(node);
  const [track] = stream.getAudioTracks();
  if (track) {
    track.onmute = () => session.pause();
    track.onunmute = () => session.resume();
  }
  return {
    get isMuted() {
      return track?.muted === true;
    },
    async stop() {
      node.port.onmessage = null;
      for (const each of stream.getTracks()) each.stop();
      await context.close();
    },
  };
}

/** Frames of one audio clock, resampled to 16 kHz, with the holes between them. */
export class FrameSequence {
  readonly #rateHz: number;
  #resampler: Resampler;
  #nextFrame: number | undefined;

  constructor(rateHz: number) {
    this.#rateHz = rateHz;
    this.#resampler = new Resampler(rateHz);
  }

  /** The next frame's samples, and how many samples at 16 kHz are missing before it. */
  next({ samples, frame }: CapturedFrame): { readonly samples: Int16Array; readonly missingSamples: number } {
    const missing = frame - (this.#nextFrame ?? frame);
    this.#nextFrame = frame + samples.length;
    const isHole = missing * 1000 > HOLE_MS * this.#rateHz;
    if (isHole) this.#resampler = new Resampler(this.#rateHz);
    return {
      samples: this.#resampler.next(samples),
      missingSamples: isHole ? Math.round((missing / this.#rateHz) * RATE_HZ) : 0,
    };
  }
}
