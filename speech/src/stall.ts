// Is this epoch alive? Pure, on injected times (speech spec 5.8). A socket that is open is no proof of
// service: acks and text are. My own uplink is told apart from the vendor, so that it burns no routes. Audio
// lengths are seconds of audio; times are ms of the session's own clock, which runs `rate` times wall time.

/** What is known of an epoch now. */
export type EpochSigns = {
  readonly nowMs: number;
  /** False while a backlog is replayed: then only ack progress counts. */
  readonly isLive: boolean;
  readonly hasAcks: boolean;
  readonly hasPartials: boolean;
  readonly maxDelayS: number;
  readonly sentS: number;
  readonly ackedS: number;
  readonly ackMovedAtMs: number;
  readonly bufferedBytes: number;
  /** When the send buffer last was small or shrank. */
  readonly bufferFellAtMs: number;
  /** Speech (by voice activity) that was sent and lies after the last partial or final. */
  readonly unansweredSpeechS: number;
  /** When a partial or a final last moved, or that speech began, whichever is later. */
  readonly textDueSinceMs: number;
  /** Speech sent after the watermark. */
  readonly speechPastWatermarkS: number;
  readonly watermarkMovedAtMs: number;
  readonly emptyFinalsOverSpeech: number;
  readonly emptySpeechS: number;
};

/** `uplink`: our own network, so no route is to blame. */
export type EpochHealth =
  | { readonly kind: 'healthy' }
  /** The network under us: buffer, do not switch. */
  | { readonly kind: 'uplink' }
  | { readonly kind: 'suspect'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string };

const ACK_MS = 2_500;
const REPLAY_ACK_MS = 8_000;
const SMALL_BUFFER_BYTES = 32 * 1024;
const LARGE_BUFFER_BYTES = 256 * 1024;
const UPLINK_MS = 2_000;
const PARTIAL_MS = 3_000;
const MIN_SPEECH_S = 1.5;

/** Judges one epoch. */
export function judgeEpoch(signs: EpochSigns): EpochHealth {
  const { nowMs } = signs;
  const isStuck = nowMs - signs.bufferFellAtMs > UPLINK_MS;
  if (signs.bufferedBytes > LARGE_BUFFER_BYTES && isStuck) return { kind: 'uplink' };
  if (signs.hasAcks && signs.sentS > signs.ackedS) {
    const silentMs = nowMs - signs.ackMovedAtMs;
    if (silentMs > (signs.isLive ? ACK_MS : REPLAY_ACK_MS))
      return signs.bufferedBytes > SMALL_BUFFER_BYTES && isStuck
        ? { kind: 'uplink' }
        : { kind: 'failed', reason: `no ack for ${Math.round(silentMs)} ms while sending` };
  }
  if (signs.unansweredSpeechS >= MIN_SPEECH_S) {
    const limitMs = signs.hasPartials ? PARTIAL_MS : signs.maxDelayS * 1000 + 3_000;
    const waitedMs = nowMs - signs.textDueSinceMs;
    if (waitedMs > limitMs)
      return { kind: 'failed', reason: `no text for ${Math.round(waitedMs)} ms over speech` };
  }
  const frozenMs = nowMs - signs.watermarkMovedAtMs;
  if (signs.speechPastWatermarkS >= MIN_SPEECH_S && frozenMs > signs.maxDelayS * 1000 + 6_000)
    return { kind: 'failed', reason: `finals frozen for ${Math.round(frozenMs)} ms over speech` };
  if (signs.emptyFinalsOverSpeech >= 3 && signs.emptySpeechS >= 3)
    return signs.emptySpeechS >= 6
      ? { kind: 'failed', reason: `empty finals over ${signs.emptySpeechS.toFixed(1)} s of speech` }
      : { kind: 'suspect', reason: 'empty finals over speech' };
  return { kind: 'healthy' };
}
