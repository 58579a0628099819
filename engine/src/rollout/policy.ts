// The decision matrix (mission R5) as data: which signal is how severe, what is done at once, how long a
// person has to acknowledge, and what is done when nobody does. It never measures: a condition names a
// guard's state or another symptom. The first row that fits counts; a row of the configuration comes before
// the default rows and takes the place of the one with its name.
import type { State } from './rollout.ts';

export const severities = ['SEV1', 'SEV2', 'SEV3', 'SEV4'] as const;
export type Severity = (typeof severities)[number];

export const signals = [
  'unavailable',
  'authentication',
  'errors',
  'latency',
  'health',
  'synthetic',
  'transcription',
  'slow',
  'instance',
  'route',
  'stuck',
  'kpi',
] as const;
/** A guard by its name; or a sick instance, a failing route, a stuck rollback, a missed KPI. */
export type SignalName = (typeof signals)[number];

/** From the most to the least drastic. */
export const actions = [
  'roll-back',
  'freeze',
  'lower-weight',
  'leave-route',
  'restart-instance',
  'add-instances',
  'notify',
] as const;
export type ActionName = (typeof actions)[number];

export type PolicyRow = {
  readonly name: string;
  readonly severity: Severity;
  readonly signal: SignalName;
  readonly state: 'breach' | 'suspect';
  /** Only above this failed share, 0–1. */
  readonly over?: number;
  /** Done at once. */
  readonly act: ActionName;
  readonly acknowledgeMs: number;
  /** Done when nobody has acknowledged by then. */
  readonly otherwise: ActionName;
};

/** Who is told of an alert, `afterMs` after it was raised, unless somebody has acknowledged it. */
export type Contact = {
  readonly name: string;
  readonly afterMs: number;
  readonly channels: readonly string[];
};

export type Policy = {
  readonly rows: readonly PolicyRow[];
  readonly contacts: readonly Contact[];
  /** How long the stable side may be without a ready instance while no guard watches it. */
  readonly unavailableMs: number;
};

const minute = 60_000;

function row(
  severity: Severity,
  name: string,
  signal: SignalName,
  act: ActionName,
  more: Partial<PolicyRow> = {},
): PolicyRow {
  const acknowledgeMs = { SEV1: minute, SEV2: 5 * minute, SEV3: 15 * minute, SEV4: 1_440 * minute }[severity];
  return { name, severity, signal, state: 'breach', act, acknowledgeMs, otherwise: 'notify', ...more };
}

/** Mission R2, R4 and R5; specs/operations.md, section 2. */
export const defaultRows: readonly PolicyRow[] = [
  row('SEV1', 'down', 'unavailable', 'roll-back', { otherwise: 'roll-back' }),
  row('SEV1', 'authentication', 'authentication', 'roll-back', { otherwise: 'roll-back' }),
  row('SEV1', 'stuck rollback', 'stuck', 'notify'),
  row('SEV2', 'many errors', 'errors', 'roll-back', { over: 0.1, otherwise: 'roll-back' }),
  row('SEV2', 'errors', 'errors', 'roll-back', { otherwise: 'roll-back' }),
  row('SEV2', 'slow answers', 'latency', 'roll-back', { otherwise: 'roll-back' }),
  row('SEV2', 'failing health', 'health', 'roll-back', { otherwise: 'roll-back' }),
  row('SEV2', 'synthetic calls', 'synthetic', 'roll-back', { otherwise: 'roll-back' }),
  row('SEV2', 'transcription', 'transcription', 'roll-back', { otherwise: 'freeze' }),
  row('SEV3', 'performance', 'slow', 'lower-weight', { state: 'suspect', otherwise: 'roll-back' }),
  row('SEV3', 'failing route', 'route', 'leave-route'),
  row('SEV3', 'sick instance', 'instance', 'restart-instance'),
  row('SEV4', 'missed goal', 'kpi', 'notify'),
];

export const defaultPolicy: Policy = { rows: defaultRows, contacts: [], unavailableMs: 30_000 };

/** Something the matrix may have a row for. */
export type Signal = {
  readonly signal: string;
  readonly state: 'breach' | 'suspect';
  /** Failed share, 0–1, where there is one. */
  readonly share?: number;
  /** What it is about, such as `rollout/7`: one alert for each row and subject. */
  readonly subject: string;
  readonly text: string;
};

/** The rows with those of the configuration before the default ones, a name once. */
export function mergedRows(own: readonly PolicyRow[]): readonly PolicyRow[] {
  const names = new Set(own.map((each) => each.name));
  return [...own, ...defaultRows.filter((each) => !names.has(each.name))];
}

/** A breach also fits the rows of what is only suspect. */
export function rowFor(
  { rows }: Policy,
  found: Pick<Signal, 'signal' | 'state' | 'share'>,
): PolicyRow | undefined {
  return rows.find(
    (each) =>
      each.signal === found.signal &&
      (each.state === found.state || found.state === 'breach') &&
      (each.over === undefined || (found.share ?? 0) > each.over),
  );
}

/** What is done about breaches at once: the most drastic of their rows; what has no row goes back. */
export function actionFor(policy: Policy, found: readonly Signal[]): ActionName {
  const wanted = found.map((each) => rowFor(policy, each)?.act ?? 'roll-back');
  return actions.find((each) => wanted.includes(each)) ?? 'roll-back';
}

/** How severe a rollback's cause was: its gravest alert, or else what started it. */
export function severityOfRollback(state: State, rollout: NonNullable<State['rollout']>): Severity {
  const own = state.alerts.filter((each) => each.rollout === rollout.number);
  const gravest = severities.find((severity) => own.some((each) => each.severity === severity));
  const trigger = rollout.rollback?.trigger;
  const isByHand = trigger === 'operator' || trigger === 'abort';
  return gravest ?? (trigger === 'emergency' ? 'SEV1' : isByHand ? 'SEV3' : 'SEV2');
}
