// The stage of session tests: a strict Speechmatics, a strict Modal behind a relay, plans that name them, and
// one assertion that says what a lossless conversation is.
import assert from 'node:assert/strict';
import type { CallerReport } from '../src/local/caller.ts';
import { startParakeetServer, type ParakeetServer } from '../src/local/parakeet-server.ts';
import { startRelay, type Relay } from '../src/local/relay.ts';
import { startSpeechmaticsServer, type SpeechmaticsServer } from '../src/local/speechmatics-server.ts';
import type { PlanRoute, SessionPlan } from '../src/plan.ts';

export type Stage = AsyncDisposable & {
  readonly speechmatics: SpeechmaticsServer;
  readonly parakeet: ParakeetServer;
  readonly relay: Relay;
  readonly direct: PlanRoute;
  readonly modal: PlanRoute;
  plan(routes: readonly PlanRoute[], release?: string): SessionPlan;
};

/** Seconds of audio per second of the tests' time. */
export const RATE = 4;

/** Starts the servers of one test. */
export async function openStage(rate = RATE): Promise<Stage> {
  const speechmatics = await startSpeechmaticsServer({ apiKeys: ['key'], rate });
  const parakeet = await startParakeetServer({ rate });
  const relay = await startRelay({ url: parakeet.url, headers: parakeet.headers, token: 'ticket' });
  return {
    speechmatics,
    parakeet,
    relay,
    direct: { name: 'direct', type: 'speechmatics', url: speechmatics.url, token: 'key' },
    modal: { name: 'modal', type: 'modal-parakeet', relay: relay.url, token: 'ticket' },
    plan: (routes, release = 'r1') => ({ session: 'session-1', routes, release }),
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]();
      await parakeet[Symbol.asyncDispose]();
      await speechmatics[Symbol.asyncDispose]();
    },
  };
}

/** No word lost, none doubled, all in order and place, and every sample accounted for. */
export function assertLossless(report: CallerReport): void {
  assert.ok(report.spoken > 0, 'somebody spoke');
  assert.deepEqual(report.lost, [], 'words lost');
  assert.deepEqual(report.doubled, [], 'words doubled');
  assert.equal(report.isInOrder, true, 'order of words');
  assert.equal(report.misplaced, 0, 'words out of place');
  assert.equal(report.summary.ledger.isWhole, true, 'the ledger is whole');
  assert.equal(report.summary.ledger.lostSamples, 0, 'samples declared lost');
}
