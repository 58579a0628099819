// Waits until an instance is ready and proven, and tells why it did not become so. Shared by the drivers.
// K8: the wait has a deadline. K6: it ends in `ready` only by a proof; a healthy answer of the wrong release
// is a failure of its own, known after three in a row, not only at the deadline.
import type { Clock } from '../host.ts';
import { pause } from '../host.ts';
import type { HealthSpec, PrepareFailure } from './environment-driver.ts';
import type { Probe } from './health-probe.ts';
import { assertNever } from '../assert.ts';

export type Readiness =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly failure: PrepareFailure; readonly text: string };

type Departure = { readonly failure: PrepareFailure; readonly text: string };

const wrongLimit = 3;
// While nothing listens the next look is soon: most instances are up in less than one interval.
const refusedPauseMs = 100;

/** `departure`, where a driver can tell, says why there is no process any more; `heard`: it had listened. */
export async function awaitReady(request: {
  readonly clock: Clock;
  readonly health: HealthSpec;
  readonly probe: () => Promise<Probe>;
  readonly departure?: (heard: boolean) => Promise<Departure | undefined>;
  readonly signal: AbortSignal;
}): Promise<Readiness> {
  const { clock, health, signal } = request;
  const deadlineMs = clock.monotonic() + health.readyMs;
  let heard = false;
  let wrongInARow = 0;
  for (;;) {
    const departed = await request.departure?.(heard);
    if (departed && !signal.aborted) return { kind: 'failed', ...departed };
    const probe = await request.probe();
    if (signal.aborted)
      return { kind: 'failed', failure: 'cancelled', text: 'cancelled while it became ready' };
    if (probe.kind === 'proven') return { kind: 'ready' };
    heard ||= !isRefused(probe);
    wrongInARow = probe.kind === 'wrong' ? wrongInARow + 1 : 0;
    if (wrongInARow === wrongLimit) return { kind: 'failed', failure: 'wrong-release', text: probe.text };
    const leftMs = deadlineMs - clock.monotonic();
    if (leftMs <= 0) return expired(probe, health.readyMs);
    await pause(clock, Math.min(isRefused(probe) ? refusedPauseMs : health.intervalMs, leftMs), signal);
  }
}

function isRefused(probe: Probe): boolean {
  return probe.kind === 'silent' && probe.refused;
}

function expired(probe: Exclude<Probe, { kind: 'proven' }>, readyMs: number): Readiness {
  switch (probe.kind) {
    case 'wrong':
      return { kind: 'failed', failure: 'wrong-release', text: probe.text };
    case 'unhealthy':
    case 'silent':
      return {
        kind: 'failed',
        failure: 'never-ready',
        text: `not ready within ${readyMs} ms: ${probe.text}`,
      };
    default:
      return assertNever(probe);
  }
}
