// What people should hear: the difference of two states as notices, one small function for each subject.
// PURE. U1 a notice's id is made of its number and time, so a replay makes the same one. U2 a pending
// notice leaves the state only when the outbox has it (`notice-queued`). G5: at most 200 are pending; at
// the limit the oldest `info` is dropped, else the oldest, and counted. U3 what opens and closes has one
// `key`.
import type { EnvironmentName } from '../api/route-table.ts';
import { isOpen, type Alert } from './alerts.ts';
import type { Event } from './events.ts';
import { activeLock } from './gates.ts';
import type { Severity } from './policy.ts';
import { about, rolloutNotices } from './rollout-notices.ts';
import type { State } from './rollout.ts';
import { flagNotices, incidentNotices, maintenanceNotices } from './told-notices.ts';

export const noticeSeverities = ['critical', 'error', 'warning', 'info'] as const;
export type NoticeSeverity = (typeof noticeSeverities)[number];

export const noticeKinds = [
  ...([
    'rollout-started',
    'step-reached',
    'held',
    'resumed',
    'approval-needed',
    'full',
    'completed',
  ] as const),
  ...([
    'failed',
    'rolling-back',
    'rolled-back',
    'stuck',
    'guard-changed',
    'guard-cleared',
    'healed',
  ] as const),
  ...(['emergency', 'freeze', 'lock', 'alert', 'incident', 'maintenance', 'flag'] as const),
  ...(['digest', 'subscription'] as const),
  ...(['engine-silent', 'engine-back', 'test'] as const),
] as const;
export type NoticeKind = (typeof noticeKinds)[number];

export type Notice = {
  readonly id: string;
  /** Wall time, ms. */
  readonly at: number;
  readonly kind: NoticeKind;
  readonly severity: NoticeSeverity;
  readonly service: string;
  readonly rollout?: number;
  readonly environment?: EnvironmentName;
  readonly release?: string;
  readonly incident?: string;
  readonly alert?: string;
  /** A contact of the decision matrix: it goes to that contact's channels, beside what the routes say. */
  readonly contact?: string;
  readonly title: string;
  readonly text: string;
  /** It ends what an earlier notice with its key began. */
  readonly resolves?: boolean;
  /** Somebody has taken what an earlier notice with its key asked for. */
  readonly acknowledges?: boolean;
  /** What it is about, such as `rollout/7`, `guard/errors/7`, `alert/a2`. */
  readonly key: string;
  /** Said without waiting for others: during a bake everything is. */
  readonly isUrgent?: boolean;
};

export type Draft = Omit<Notice, 'id' | 'at' | 'service'>;
type Subject = (before: State, after: State, event: Event) => readonly Draft[];

const pendingLimit = 200;

/** Whoever adds a subject adds its function here. */
const subjects: readonly Subject[] = [
  rolloutNotices,
  guardNotices,
  healingNotices,
  overrideNotices,
  gateNotices,
  alertNotices,
  incidentNotices,
  maintenanceNotices,
  flagNotices,
  digestNotices,
];

/** What an event has changed that people should hear, in the order in which it should be read. */
export function noticesOf(before: State, after: State, event: Event): Notice[] {
  if (event.kind === 'notice-queued') return [];
  const drafts = subjects.flatMap((subject) => subject(before, after, event));
  return drafts.map((draft, index) => ({
    ...draft,
    id: `n${before.noticeCount + index + 1}-${event.at.toString(36)}`,
    at: event.at,
    service: after.service,
  }));
}

/** The state with them among its pending notices. */
export function withNotices(before: State, after: State, event: Event): State {
  const fresh = noticesOf(before, after, event);
  if (fresh.length === 0) return after;
  const kept = [...after.notices, ...fresh];
  while (kept.length > pendingLimit) {
    const oldestInfo = kept.findIndex((each) => each.severity === 'info');
    kept.splice(Math.max(0, oldestInfo), 1);
  }
  const lost = after.notices.length + fresh.length - kept.length;
  const counted = { noticeCount: after.noticeCount + fresh.length, noticesLost: after.noticesLost + lost };
  return { ...after, ...counted, notices: kept };
}

/** U2. */
export function noticeQueued(state: State, id: string): State {
  return { ...state, notices: state.notices.filter((each) => each.id !== id) };
}

const isBad = (state: string | undefined): boolean => state === 'suspect' || state === 'breach';

/** Guards that turned bad and came right again; during a bake without waiting for others. */
function guardNotices({ rollout: was }: State, { rollout }: State): readonly Draft[] {
  if (!rollout || rollout.phase.kind === 'preparing' || rollout.guards === was?.guards) return [];
  const known = was?.number === rollout.number ? was.guards.evidence : [];
  const isUrgent = rollout.phase.kind === 'baking';
  return rollout.guards.evidence.flatMap(({ guard, state, text }): Draft[] => {
    const before = known.find((each) => each.guard === guard)?.state;
    if (before === state || (!isBad(state) && !isBad(before)) || state === 'unknown') return [];
    const draft = { ...about(rollout), key: `guard/${guard}/${rollout.number}`, text, isUrgent };
    const title = `Rollout ${rollout.number}: guard ${guard} is ${state}`;
    if (!isBad(state)) return [{ ...draft, kind: 'guard-cleared', severity: 'info', title, resolves: true }];
    const severity = state === 'breach' ? 'error' : 'warning';
    return [{ ...draft, kind: 'guard-changed', severity, title }];
  });
}

function healingNotices(before: State, after: State): readonly Draft[] {
  if (before.healing.acts === after.healing.acts) return [];
  const known = new Set(before.healing.acts);
  const fresh = after.healing.acts.filter((each) => !known.has(each));
  return fresh.map(({ text }) => ({
    ...({ kind: 'healed', severity: 'warning', title: 'Crossfade healed something', text } as const),
    key: 'healing',
  }));
}

function overrideNotices(before: State, after: State, event: Event): readonly Draft[] {
  if (event.kind !== 'override-found' || before.adoptedOverrides === after.adoptedOverrides) return [];
  const { id, kind, environment, reason, actor, release } = event.override;
  const title = `The gateway left ${release} by itself`;
  const text = `${kind} to ${environment} (${actor}): ${reason || 'no reason given'}`;
  return [{ kind: 'emergency', severity: 'critical', title, text, environment, key: `override/${id}` }];
}

/** Freezes and locks, as they begin and end. */
function gateNotices(before: State, after: State, { at }: Event): readonly Draft[] {
  const until = (time: number): string => new Date(time).toISOString();
  const freezes = after.freezes.flatMap((freeze): Draft[] => {
    const was = before.freezes.find((each) => each.id === freeze.id);
    const key = `freeze/${freeze.id}`;
    if (!was && !freeze.isOver)
      return [gate('freeze', key, 'Deploys are frozen', `${freeze.reason}, until ${until(freeze.until)}`)];
    if (was && !was.isOver && freeze.isOver)
      return [{ ...gate('freeze', key, 'Deploys are free again', freeze.reason), resolves: true }];
    return [];
  });
  const [was, is] = [activeLock(before, at), activeLock(after, at)];
  if (was?.fence === is?.fence) return freezes;
  const locked = is && gate('lock', `lock/${is.fence}`, `${is.holder} holds the lock`, is.reason);
  const freed = was && { ...gate('lock', `lock/${was.fence}`, `${was.holder} let go`, ''), resolves: true };
  return [...freezes, ...(freed ? [freed] : []), ...(locked ? [locked] : [])];
}

function gate(kind: 'freeze' | 'lock', key: string, title: string, text: string): Draft {
  return { kind, severity: 'info', title, text, key };
}

const alertSeverities: Readonly<Record<Severity, NoticeSeverity>> = {
  SEV1: 'critical',
  SEV2: 'error',
  SEV3: 'warning',
  SEV4: 'info',
};

/** An alert of the decision matrix: raised, told to the next contact, ended. */
function alertNotices(before: State, after: State): readonly Draft[] {
  if (before.alerts === after.alerts) return [];
  return after.alerts.flatMap((alert): Draft[] => {
    const was = before.alerts.find((each) => each.id === alert.id);
    if (was === alert) return [];
    const isRaised = !was || (!isOpen(was) && isOpen(alert));
    const told = isRaised ? 0 : was.told;
    const contacts = after.policy.contacts.slice(told, alert.told).map(({ name }) => name);
    if (was && isOpen(was) && !isOpen(alert))
      return [
        { ...alertDraft(alert), title: `${alert.id} ${alert.row} is over`, severity: 'info', resolves: true },
      ];
    const taken = was && !was.acknowledged && alert.acknowledged ? [takenDraft(alert)] : [];
    const paged = contacts.map((contact) => ({ ...alertDraft(alert), contact }));
    return isRaised ? [alertDraft(alert), ...paged] : [...taken, ...paged];
  });
}

function takenDraft(alert: Alert): Draft {
  const { actor = '', reason = '' } = alert.acknowledged ?? {};
  const title = `${alert.id} ${alert.row} is taken by ${actor}`;
  return { ...alertDraft(alert), title, text: reason, severity: 'info', acknowledges: true };
}

function alertDraft({
  id,
  row,
  severity,
  text,
  rollout,
  environment,
  acknowledgeBy,
  otherwise,
}: Alert): Draft {
  const by = new Date(acknowledgeBy).toISOString();
  return {
    kind: 'alert',
    severity: alertSeverities[severity],
    title: `${severity} ${row}`,
    text: `${text}; \`crossfade ack ${id}\` by ${by}, else ${otherwise}`,
    alert: id,
    key: `alert/${id}`,
    ...(rollout !== undefined && { rollout }),
    ...(environment !== undefined && { environment }),
  };
}

function digestNotices(_before: State, after: State, event: Event): readonly Draft[] {
  const { rollout } = after;
  if (event.kind !== 'digest-made' || !rollout || rollout.number !== event.rollout) return [];
  const title = `Bake of ${rollout.candidate.release}`;
  return [{ ...about(rollout), kind: 'digest', severity: 'info', title, text: event.text, isUrgent: true }];
}
