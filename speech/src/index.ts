// What `@crossfade/speech` offers: a session that keeps its transcript whole while its vendor, release or
// process changes. Runs in browsers, React Native and Node, without dependencies.
export { Breakers } from './failover.ts';
export type { GapReason, LedgerReport } from './ledger.ts';
export type { FetchPlan, PlanRequest, PlanRoute, SessionPlan } from './plan.ts';
export type { Rating } from './rating.ts';
export {
  SpeechSession,
  type HandoverRequest,
  type HandoverResult,
  type SessionEpoch,
  type SessionEvents,
  type SessionMeasures,
  type SessionState,
  type SessionSummary,
  type SpeechSessionOptions,
} from './session.ts';
export type { Commit } from './transcript.ts';
export type { SocketLike, WebSocketFactory } from './web-socket.ts';
export type { Word } from './word.ts';
