// What `@crossfade/speech/local` offers: coded speech, strict local servers with a fault menu. For tests,
// demos and trial runs; nothing here is needed in production.
export { codedClip } from './coded-clip.ts';
export { CodedDecoder, type HeardWord } from './coded-decoder.ts';
export { encodeWord, encodeWords, samplesOf, type CodedSpeaker, type SpokenWord } from './coded-word.ts';
export type { Fault } from './faults.ts';
export { ParakeetServer, startParakeetServer, type ParakeetServerOptions } from './parakeet-server.ts';
export { codedRecogniser, type Heard, type OpenRecogniser, type Recogniser } from './recogniser.ts';
export {
  SpeechmaticsServer,
  startSpeechmaticsServer,
  type SpeechmaticsServerOptions,
} from './speechmatics-server.ts';
export { Caller, compare, type CallerOptions, type CallerReport } from './caller.ts';
export { startRelay, type Relay, type RelayOptions } from './relay.ts';
