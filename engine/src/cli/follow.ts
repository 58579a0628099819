// Follows a rollout by its events until it has an outcome a person or a pipeline can act on. Ctrl-C stops
// watching, never the rollout.
import type { ControlClient } from '../api/client.ts';
import type { VerbName } from '../api/verb-names.ts';
import type { EventLine, RolloutView, StatusView } from '../api/control.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { renderEvent, say, stopwatchLines } from './render.ts';

const firstLookMs = 150;
/** Kinds of events that are too many to show. */
const quiet = new Set(['table-confirmed', 'timer-fired', 'guards-judged', 'notice-queued']);

/**
 * Resolves with the exit code of the rollout that the verb led to; `after` is the verb's journal position.
 */
export async function follow(
  client: ControlClient,
  verb: VerbName,
  after: number,
  isJson: boolean,
): Promise<ExitCode> {
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  let outcome: StatusView | undefined;
  let position = after;
  let pending: Promise<void> = Promise.resolve();
  let failures = 0;
  const look = async (): Promise<void> => {
    const status = await client.status();
    failures = 0;
    if (outcome === undefined && isOutcome(status.rollout)) {
      outcome = status;
      stop.abort();
    }
  };
  const show = (event: EventLine): void => {
    if (event.position !== undefined) position = event.position;
    if (!isJson && !quiet.has(event.kind)) say(renderEvent(event));
    pending = pending.then(() => (outcome ? undefined : look())).catch(() => undefined);
  };
  for (; !stop.signal.aborted && failures < 50; failures++) {
    // What has happened already is shown before its outcome is looked for.
    const first = setTimeout(() => void look().catch(() => undefined), firstLookMs);
    await client.events(position, show, stop.signal).catch(() => undefined);
    clearTimeout(first);
    if (stop.signal.aborted) break;
    await look().catch(() => undefined);
    if (!stop.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 200));
  }
  process.off('SIGINT', interrupt);
  await pending;
  if (outcome) return report(verb, outcome.rollout!, isJson);
  if (stop.signal.aborted) {
    say(
      'watching ended; the rollout goes on: `crossfade status --watch` shows it, `crossfade abort` ends it',
    );
    return 130;
  }
  throw new CrossfadeError(
    'unreachable',
    'the controller stopped answering',
    'the rollout resumes with it; see `crossfade status`',
  );
}

function isOutcome(rollout: RolloutView | undefined): boolean {
  if (!rollout) return false;
  const { phase } = rollout;
  return (
    ['baking', 'completed', 'superseded', 'rolled-back', 'failed', 'stuck'].includes(phase) ||
    phase.startsWith('paused')
  );
}

function report(verb: VerbName, rollout: RolloutView, isJson: boolean): ExitCode {
  const { phase, text, release } = rollout;
  if (!isJson) {
    say(`rollout ${rollout.number} is ${phase}: ${text}`);
    for (const line of stopwatchLines(rollout)) say(line);
    say(nextCommand(phase, release));
  }
  return exitCodeOf(verb, rollout);
}

/** Done is what this verb was for: a deploy that somebody took back has failed, a rollback has not. */
function exitCodeOf(verb: VerbName, rollout: RolloutView): ExitCode {
  const { phase, text, kind } = rollout;
  const isBackWanted = verb === 'rollback' || verb === 'abort';
  if (phase === 'failed' && isBackWanted && kind !== 'rollback') return 0;
  if (phase === 'failed') return text.includes('--cut-after') ? 5 : 1;
  if (phase === 'stuck') return 1;
  if (phase === 'rolled-back') {
    return isBackWanted || verb === 'retry' || kind === 'rollback' ? 0 : 1;
  }
  if (phase === 'paused(approval)' || phase === 'paused(freeze)') return 5;
  return phase === 'paused(hold)' ? 4 : 0;
}

function nextCommand(phase: string, release: string): string {
  if (phase === 'baking')
    return 'next: `crossfade status --watch`; `crossfade rollback "reason"` goes back at once';
  if (phase === 'failed')
    return 'next: mend it and `crossfade deploy`, or `crossfade retry`; `crossfade logs` has more';
  if (phase === 'rolled-back')
    return `next: \`crossfade logs --release ${release}\`, then deploy the mended release`;
  if (phase === 'stuck') return 'next: `crossfade retry`, or `crossfade promote --full`';
  if (phase === 'paused(approval)') return 'next: `crossfade approve "reason"` or `crossfade abort`';
  if (phase.startsWith('paused')) return 'next: `crossfade promote`, `crossfade resume` or `crossfade abort`';
  return 'next: `crossfade status`';
}
