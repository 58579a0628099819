// What the course of a rollout says to people: one notice for each phase that matters to somebody, from its
// beginning to its closing report. PURE; U1–U3 stand in notices.ts.
import type { Draft, NoticeKind, NoticeSeverity } from './notices.ts';
import type { Phase } from './phase.ts';
import type { Rollout, State } from './rollout.ts';

/** The phases of the newest rollout. A drill moves nobody: all of it is `info`. */
export function rolloutNotices(before: State, after: State): readonly Draft[] {
  const rollout = after.rollout;
  if (!rollout) return [];
  const last = before.rollout?.number === rollout.number ? before.rollout.phase : undefined;
  const started = before.rollouts < after.rollouts ? [startedOf(rollout)] : [];
  const moved = last === rollout.phase ? undefined : phaseNotice(rollout, last);
  const drafts = [...endedBetween(before, after), ...started, ...(moved ? [moved] : [])];
  return drafts.map((draft) => (isDrill(after, draft.rollout) ? { ...draft, severity: 'info' } : draft));
}

function isDrill(state: State, number: number | undefined): boolean {
  return [state.rollout, ...state.ended].some((each) => each?.number === number && each?.kind === 'drill');
}

/** One event may end a rollout and open the next. */
function endedBetween(before: State, after: State): readonly Draft[] {
  const last = before.rollout;
  const ended = last && after.ended.find((each) => each.number === last.number);
  const draft = ended && ended.phase !== last.phase ? phaseNotice(ended, last.phase) : undefined;
  return draft ? [draft] : [];
}

/** Which rollout a notice is about, and where it goes. */
export function about(rollout: Rollout) {
  const { release, environment } = rollout.kind === 'rollback' ? rollout.stable! : rollout.candidate;
  return { rollout: rollout.number, environment, release, key: `rollout/${rollout.number}` };
}

function startedOf(rollout: Rollout): Draft {
  const { release } = about(rollout);
  const what = rollout.kind === 'rollback' ? `going back to ${release}` : `${rollout.kind} of ${release}`;
  const from = rollout.stable && rollout.kind !== 'rollback' ? `, from ${rollout.stable.release}` : '';
  const text = `begun by ${rollout.startedBy}${from}`;
  const title = `Rollout ${rollout.number} begins: ${what}`;
  return { kind: 'rollout-started', severity: 'info', title, text, ...about(rollout) };
}

function phaseNotice(rollout: Rollout, last: Phase | undefined): Draft | undefined {
  const { phase, number, candidate, stable } = rollout;
  const name = `Rollout ${number} of ${candidate.release}`;
  const draft = (kind: NoticeKind, severity: NoticeSeverity, title: string, text: string): Draft => ({
    kind,
    severity,
    title,
    text,
    ...about(rollout),
  });
  switch (phase.kind) {
    case 'preparing':
      return undefined;
    case 'stepping':
      return steppingNotice(rollout, last, draft);
    case 'paused':
      return pausedNotice(rollout, last, draft);
    case 'baking': {
      if (last?.kind === 'baking') return undefined;
      const hours = Math.round((phase.until - phase.since) / 360_000) / 10;
      const text = `all traffic is on ${candidate.release}; it is watched for ${hours} h, ${stable?.release} is kept warm`;
      return draft('full', 'info', `${name} is at 100 %`, text);
    }
    case 'rolling-back': {
      // The tries of a stuck rollback are told as stuck.
      if (last?.kind === 'rolling-back' || last?.kind === 'stuck') return undefined;
      const { trigger = 'operator', reason = '', actor = '' } = rollout.rollback ?? {};
      const severity = trigger === 'operator' || trigger === 'abort' ? 'warning' : 'critical';
      const text = `${trigger} (${actor}): ${reason || 'no reason given'}`;
      return draft('rolling-back', severity, `${name} goes back to ${stable?.release}`, text);
    }
    case 'stuck':
      return draft('stuck', 'critical', `The rollback of rollout ${number} is stuck`, phase.text);
    case 'completed':
    case 'superseded':
      return { ...draft('completed', 'info', `${name} is ${phase.kind}`, closing(rollout)), resolves: true };
    case 'rolled-back':
      return {
        ...draft('rolled-back', 'error', `${name} was rolled back`, `${phase.text}. ${stopwatch(rollout)}`),
        resolves: true,
      };
    case 'failed':
      return {
        ...draft('failed', 'error', `${name} failed; nobody was moved`, phase.text.slice(0, 1_000)),
        resolves: true,
      };
  }
}

type Make = (kind: NoticeKind, severity: NoticeSeverity, title: string, text: string) => Draft;

function steppingNotice(rollout: Rollout, last: Phase | undefined, draft: Make): Draft | undefined {
  const { phase, steps, candidate, number } = rollout;
  if (phase.kind !== 'stepping') return undefined;
  if (last?.kind === 'paused' && last.step === phase.step)
    return draft('resumed', 'info', `Rollout ${number} goes on`, `it was held: ${last.text}`);
  const isReached =
    phase.stage === 'holding' &&
    !(last?.kind === 'stepping' && last.stage === 'holding' && last.step === phase.step);
  if (!isReached) return undefined;
  const { weightPercent } = steps[phase.step]!;
  const text = `step ${phase.step + 1} of ${steps.length}, held for ${seconds(phase.holdMs)}`;
  return draft('step-reached', 'info', `Rollout ${number}: ${weightPercent} % on ${candidate.release}`, text);
}

function pausedNotice(rollout: Rollout, last: Phase | undefined, draft: Make): Draft | undefined {
  const { phase, number } = rollout;
  if (phase.kind !== 'paused') return undefined;
  if (last?.kind === 'paused' && last.why === phase.why && last.text === phase.text) return undefined;
  if (phase.why === 'approval')
    return draft('approval-needed', 'warning', `Rollout ${number} waits for an approval`, phase.text);
  const severity = phase.why === 'hold' ? 'warning' : 'info';
  return draft('held', severity, `Rollout ${number} is held`, phase.text);
}

function seconds(ms: number | undefined): string {
  if (ms === undefined) return 'as long as nobody promotes it';
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`;
}

/** How long each part of a rollback took. */
function stopwatch({ rollback }: Rollout): string {
  if (!rollback) return '';
  const { triggered, weights, verified, sessions, drained } = rollback.marks;
  const parts = Object.entries({ weights, verified, sessions, drained }).flatMap(([name, at]) =>
    at === undefined ? [] : [`${name} ${at - triggered} ms`],
  );
  return `After the trigger: ${parts.join(', ')}; ${rollback.leftConnections} connections were left`;
}

/** The closing report of a bake. */
function closing({ phase, guards, clock, startedAt }: Rollout): string {
  if (!('text' in phase)) return '';
  const full = clock?.fullAt === undefined ? '' : `, all traffic after ${seconds(clock.fullAt - startedAt)}`;
  const states = guards.evidence.map(({ guard, state, text }) => `${guard} ${state} (${text})`).join('; ');
  return `${phase.text}${full}. Guards: ${states || 'none measured'}`;
}
