// What people and CI may ask for, and when. K7: an illegal verb is a refusal with the reason and the next
// command, and changes nothing. K5: rollback and abort are accepted in every unfinished phase.
import { assertNever } from '../assert.ts';
import { acknowledge } from './alerts.ts';
import { advance, enqueue, openDeploy } from './advance.ts';
import { drill, drillReported } from './drill.ts';
import type { Event, VerbEvent } from './events.ts';
import { killFlag, rampFlag, reviveFlag, setFlag, unsetFlag } from './flags.ts';
import { freeze, heldBack, lock, unfreeze, unlock } from './gates.ts';
import type { Refusal } from './decide.ts';
import { approve, broken, promote } from './promote.ts';
import { releaseOf, stableRelease, unfinished, type Rollout, type State } from './rollout.ts';
import { rollback } from './rollback.ts';
import { startRollback } from './rolling-back.ts';
import { useRoute } from './route-use.ts';
import { signOff, unsigned } from './signoff.ts';
import { openRollout, resumeStep, withPhase } from './transitions.ts';
import { endMaintenance, openIncident, scheduleMaintenance, updateIncident } from './incidents.ts';
import { next, refused, type VerbOutcome } from './outcome.ts';

type Verb<K extends VerbEvent['kind']> = Extract<VerbEvent, { kind: K }>;

const verbKinds = new Set<Event['kind']>([
  'release-created',
  'deploy-requested',
  'promote-requested',
  'pause-requested',
  'resume-requested',
  'abort-requested',
  'retry-requested',
  'rollback-requested',
  'route-use-requested',
  'approve-requested',
  'ack-requested',
  'freeze-requested',
  'unfreeze-requested',
  'lock-requested',
  'unlock-requested',
  'healing-requested',
  'drill-requested',
  'drill-reported',
  'signoff-given',
  'flag-set',
  'flag-ramped',
  'flag-killed',
  'flag-revived',
  'flag-unset',
  'incident-opened',
  'incident-updated',
  'maintenance-scheduled',
  'maintenance-ended',
]);

export function isVerb(event: Event): event is VerbEvent {
  return verbKinds.has(event.kind);
}

export function afterVerb(state: State, event: VerbEvent): VerbOutcome {
  const held = meantForAnother(state, event) ?? heldBack(state, event);
  if (held) return held;
  switch (event.kind) {
    case 'release-created':
      return createRelease(state, event);
    case 'deploy-requested':
      return deploy(state, event);
    case 'promote-requested':
      return promote(state, event);
    case 'pause-requested':
      return pause(state, event);
    case 'resume-requested':
      return resume(state, event);
    case 'abort-requested':
      return abort(state, event);
    case 'retry-requested':
      return retry(state, event);
    case 'rollback-requested':
      return rollback(state, event);
    case 'route-use-requested':
      return useRoute(state, event);
    case 'ack-requested':
      return acknowledge(state, event);
    case 'approve-requested':
      return approve(state, event);
    case 'freeze-requested':
      return freeze(state, event);
    case 'unfreeze-requested':
      return unfreeze(state, event);
    case 'lock-requested':
      return lock(state, event);
    case 'unlock-requested':
      return unlock(state, event);
    case 'healing-requested':
      return next({ ...state, healing: { ...state.healing, isOff: !event.isOn } });
    case 'drill-requested':
      return drill(state, event);
    case 'drill-reported':
      return drillReported(state, event);
    case 'signoff-given':
      return signOff(state, event);
    case 'flag-set':
      return setFlag(state, event);
    case 'flag-ramped':
      return rampFlag(state, event);
    case 'flag-killed':
      return killFlag(state, event);
    case 'flag-revived':
      return reviveFlag(state, event);
    case 'flag-unset':
      return unsetFlag(state, event);
    case 'incident-opened':
      return openIncident(state, event);
    case 'incident-updated':
      return updateIncident(state, event);
    case 'maintenance-scheduled':
      return scheduleMaintenance(state, event);
    case 'maintenance-ended':
      return endMaintenance(state, event);
    default:
      return assertNever(event);
  }
}

/** Whoever looked at one rollout and asks while another has begun does not know what he would do. */
function meantForAnother(state: State, { onlyRollout }: VerbEvent): Refusal | undefined {
  const present = state.rollout?.number;
  if (onlyRollout === undefined || onlyRollout === present) return undefined;
  const text = `it was meant for rollout ${onlyRollout}; the present one is ${present ?? 'none'}`;
  return refused('refused', text, 'see `crossfade status`');
}

/** Nothing can be held or moved yet: no traffic is on it. */
export const preparingHint =
  '`crossfade status --watch` shows when its first step begins; `crossfade abort` ends it now';

/** What is under way, for refusals. */
export function phaseText(rollout: Rollout): string {
  const what = rollout.kind === 'drill' ? 'the drill, rollout' : 'rollout';
  return `${what} ${rollout.number} of ${rollout.candidate.release} is ${rollout.phase.kind}`;
}

function createRelease(state: State, event: Verb<'release-created'>): VerbOutcome {
  const expected = `r${state.releases.length + 1}`;
  if (event.release.id !== expected) {
    return refused('refused', `the next release is ${expected}, not ${event.release.id}`, 'try again');
  }
  return next({ ...state, releases: [...state.releases, event.release] });
}

function deploy(state: State, event: Verb<'deploy-requested'>): VerbOutcome {
  if (!releaseOf(state, event.release)) {
    return refused('unknown-release', `there is no release ${event.release}`, 'see `crossfade releases`');
  }
  const unagreed = unsigned(state, event);
  if (unagreed) return unagreed;
  const running = unfinished(state);
  const policy = event.supersede ?? 'refuse';
  if (running && (running.phase.kind !== 'baking' || policy === 'queue'))
    return supersede(state, running, event);
  if (event.release === (running?.candidate.release ?? stableRelease(state))) {
    return refused('refused', `${event.release} already serves the service`, 'see `crossfade status`');
  }
  return next(openDeploy(state, event));
}

/** A rollout is under way: the new one waits for its end, takes its place, or is refused. */
function supersede(state: State, running: Rollout, event: Verb<'deploy-requested'>): VerbOutcome {
  const policy = event.supersede ?? 'refuse';
  if (policy === 'refuse') {
    const hint = '`crossfade promote --full` or `crossfade abort` ends it first; `--supersede queue` waits';
    return refused('refused', phaseText(running), hint);
  }
  const queued = enqueue(state, { request: event, isReplacement: policy === 'replace' });
  if (!queued)
    return refused('refused', 'ten deploys wait already', '`crossfade abort` ends the present one');
  if (policy === 'queue' || running.phase.kind === 'rolling-back' || running.phase.kind === 'stuck')
    return next(queued);
  const { actor, at, release } = event;
  return next(startRollback(queued, { trigger: 'abort', reason: `replaced by ${release}`, actor, at }));
}

function pause(state: State, event: Verb<'pause-requested'>): VerbOutcome {
  const rollout = unfinished(state);
  if (rollout?.phase.kind !== 'stepping') {
    return refused(
      'illegal-verb',
      rollout ? phaseText(rollout) : 'no rollout is under way',
      rollout?.phase.kind === 'preparing' ? preparingHint : 'see `crossfade status`',
    );
  }
  const { step, holdUntil, holdMs } = rollout.phase;
  const remainingMs = holdUntil === undefined ? holdMs : Math.max(0, holdUntil - event.at);
  const text = `paused by ${event.actor}`;
  return next(
    withPhase(state, {
      kind: 'paused',
      why: 'operator',
      text,
      step,
      since: event.at,
      isByGuards: false,
      ...(remainingMs !== undefined && { remainingMs }),
    }),
  );
}

function resume(state: State, event: Verb<'resume-requested'>): VerbOutcome {
  const rollout = unfinished(state);
  if (rollout?.phase.kind !== 'paused') {
    return refused(
      'illegal-verb',
      rollout ? phaseText(rollout) : 'no rollout is under way',
      'see `crossfade status`',
    );
  }
  const { step, remainingMs, why } = rollout.phase;
  if (why === 'step') {
    return refused(
      'illegal-verb',
      'the step waits for a decision',
      '`crossfade promote` or `crossfade abort`',
    );
  }
  if (why === 'approval') {
    return refused('needs-approval', rollout.phase.text, '`crossfade approve` or `crossfade abort`');
  }
  if (why === 'freeze') return next(advance(broken(state, event), step + 1, event.at));
  return next(resumeStep(broken(state, event), step, event.at, remainingMs));
}

function abort(state: State, event: Verb<'abort-requested'>): VerbOutcome {
  const rollout = unfinished(state);
  if (!rollout)
    return refused(
      'illegal-verb',
      'no rollout is under way',
      '`crossfade rollback` goes back after completion',
    );
  if (rollout.phase.kind === 'rolling-back') return next(state);
  return next(
    startRollback(state, { trigger: 'abort', reason: event.reason, actor: event.actor, at: event.at }),
  );
}

function retry(state: State, event: Verb<'retry-requested'>): VerbOutcome {
  const last = state.rollout;
  const kind = last?.phase.kind;
  if (last && kind === 'stuck') {
    return next(withPhase(state, { kind: 'rolling-back', stage: 'weights', since: event.at }));
  }
  if (
    !last ||
    last.kind === 'rollback' ||
    last.kind === 'drill' ||
    (kind !== 'failed' && kind !== 'rolled-back')
  ) {
    return refused('illegal-verb', last ? phaseText(last) : 'no rollout was made', 'see `crossfade status`');
  }
  const { steps, bakeMs, standbyMs, sessions, cutAfterMs, guardLimits, hooks, fourEyes } = last;
  return next(
    openRollout(state, {
      kind: last.kind,
      release: last.candidate.release,
      steps,
      bakeMs,
      standbyMs,
      sessions,
      at: event.at,
      actor: event.actor,
      ...(cutAfterMs !== undefined && { cutAfterMs }),
      ...(guardLimits && { guardLimits }),
      ...(hooks && { hooks }),
      ...(fourEyes && { fourEyes }),
      ...(event.breakGlass !== undefined && { breakGlass: event.breakGlass }),
    }),
  );
}
