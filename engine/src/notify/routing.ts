// Who hears of a notice, when, and why not. PURE; the model is Alertmanager's: routes with matchers, groups
// that wait, inhibition, silences, damping of what flaps, a bucket of tokens for each channel. R1 every
// channel that a route names gets a plan: to be sent, or suppressed with the reason, so that everything
// that was not said can be counted and shown. R2 what is critical or urgent waits for nobody.
import type { RouteConfig } from '../notify-schema.ts';
import type { Notice } from '../rollout/notices.ts';

export type Matchers = Readonly<Record<string, readonly string[]>>;

export type Route = {
  readonly match: Matchers;
  readonly channels: readonly string[];
  readonly groupBy: readonly string[];
  readonly groupWaitMs: number;
  readonly groupIntervalMs: number;
  readonly repeatIntervalMs: number;
  readonly isContinuing: boolean;
};

export type Silence = {
  readonly id: string;
  readonly match: Matchers;
  readonly author: string;
  readonly reason: string;
  readonly at: number;
  readonly until: number;
};

export type Reason = 'silenced' | 'inhibited' | 'flapping' | 'resolved-in-time' | 'disabled' | 'too-many';

export type Plan = {
  readonly channel: string;
  readonly group: string;
  /** Wall ms. */
  readonly sendAt: number;
  readonly repeatIntervalMs: number;
  readonly suppressed?: Reason;
  /** This one says that the thing flaps; what follows for a while is suppressed. */
  readonly isFlapping?: boolean;
};

export type RoutingWorld = {
  readonly now: number;
  readonly routes: readonly Route[];
  readonly silences: readonly Silence[];
  readonly contactChannels: (contact: string) => readonly string[];
  /** Notices that came before, oldest first: of at least ten minutes, and those that are still open. */
  readonly before: readonly Notice[];
  /** When the group was last sent there, wall ms. */
  readonly lastSentAt: (channel: string, group: string) => number | undefined;
};

const flapWindowMs = 10 * 60_000;
const flapChanges = 3;

/** What comes and goes by itself, and so may be over before it was said. */
const conditions = new Set<string>(['guard-changed', 'guard-cleared', 'alert', 'healed']);
/** What a rollback brings with it: said once, by the rollback. */
const caused = new Set<string>(['guard-changed', 'guard-cleared', 'alert', 'healed', 'held']);

export function isCondition({ kind }: Notice): boolean {
  return conditions.has(kind);
}

/** R1. */
export function planFor(notice: Notice, world: RoutingWorld): readonly Plan[] {
  const found = routesFor(notice, world.routes);
  const direct = notice.contact === undefined ? [] : world.contactChannels(notice.contact);
  const plans = [
    ...direct.map((channel) => planOn(notice, channel, pageRoute, 'page', world)),
    ...found.flatMap(({ route, index }) =>
      route.channels.map((channel) => planOn(notice, channel, route, `${index}`, world)),
    ),
  ];
  // A channel that two routes name hears it once, from the first.
  return plans.filter((plan, index) => plans.findIndex((each) => each.channel === plan.channel) === index);
}

const pageRoute: Route = {
  ...{ match: {}, channels: [], groupBy: ['key'], groupWaitMs: 0, groupIntervalMs: 0 },
  ...{ repeatIntervalMs: 4 * 3_600_000, isContinuing: true },
};

function routesFor(notice: Notice, routes: readonly Route[]) {
  const found: { route: Route; index: number }[] = [];
  // A page goes to its contact alone: the alert itself has gone by the routes.
  if (notice.contact !== undefined) return found;
  for (const [index, route] of routes.entries()) {
    if (!matches(route.match, notice)) continue;
    found.push({ route, index });
    if (!route.isContinuing) break;
  }
  return found;
}

export function matches(match: Matchers, notice: Notice): boolean {
  return Object.entries(match).every(([label, wanted]) => wanted.includes(labelOf(notice, label)));
}

function labelOf(notice: Notice, label: string): string {
  const value = (notice as Record<string, unknown>)[label];
  return value === undefined ? '' : String(value);
}

function planOn(notice: Notice, channel: string, route: Route, name: string, world: RoutingWorld): Plan {
  const group = [name, ...route.groupBy.map((label) => `${label}=${labelOf(notice, label)}`)].join(' ');
  const isNow = notice.severity === 'critical' || notice.isUrgent === true;
  const last = world.lastSentAt(channel, group);
  const waited = world.now + route.groupWaitMs;
  const spaced = last === undefined ? waited : Math.max(waited, last + route.groupIntervalMs);
  const flaps = flapsOf(notice, world);
  const suppressed = suppressedBy(notice, world, flaps);
  return {
    channel,
    group,
    sendAt: isNow ? world.now : spaced,
    repeatIntervalMs: route.repeatIntervalMs,
    ...(suppressed && { suppressed }),
    ...(flaps === flapChanges && !suppressed && { isFlapping: true }),
  };
}

function suppressedBy(notice: Notice, world: RoutingWorld, flaps: number): Reason | undefined {
  const isSilenced = world.silences.some(
    (each) => each.at <= world.now && world.now < each.until && matches(each.match, notice),
  );
  if (isSilenced) return 'silenced';
  if (isInhibited(notice, world.before)) return 'inhibited';
  return flaps > flapChanges ? 'flapping' : undefined;
}

/** While a rollback is under way it stands for what it was caused by; a page to a contact still goes out. */
function isInhibited(notice: Notice, before: readonly Notice[]): boolean {
  if (!caused.has(notice.kind) || notice.contact !== undefined) return false;
  const isSame = (other: Notice): boolean =>
    other.service === notice.service &&
    // A label that both lack makes nothing equal.
    ((notice.rollout !== undefined && other.rollout === notice.rollout) ||
      (notice.environment !== undefined && other.environment === notice.environment));
  return before.some(
    (other, index) =>
      other.kind === 'rolling-back' &&
      isSame(other) &&
      !before.slice(index + 1).some((later) => later.resolves && later.key === other.key),
  );
}

/** How often the thing has changed within the window, this time included. */
function flapsOf(notice: Notice, { before, now }: RoutingWorld): number {
  if (!isCondition(notice) || notice.contact !== undefined) return 0;
  const same = before.filter((each) => each.key === notice.key && each.contact === undefined);
  return same.filter((each) => now - each.at < flapWindowMs).length + 1;
}

/** A guard that came right again before anybody was told: neither is said. */
export function cancels(resolving: Notice, waiting: Notice): boolean {
  return resolving.resolves === true && isCondition(waiting) && waiting.key === resolving.key;
}

/** Tokens that come back with time: at most as many as a channel takes in a minute, 20 at once. */
export type Bucket = { readonly tokens: number; readonly at: number };

const burst = 20;

export function take(bucket: Bucket | undefined, perMinute: number, now: number) {
  const size = Math.min(burst, perMinute);
  const { tokens, at } = bucket ?? { tokens: size, at: now };
  // A receiver said from when on it takes more.
  if (at > now) return { bucket: { tokens, at }, waitMs: at - now };
  const filled = Math.min(size, tokens + (Math.max(0, now - at) * perMinute) / 60_000);
  if (filled >= 1) return { bucket: { tokens: filled - 1, at: now }, waitMs: 0 };
  return { bucket: { tokens: filled, at: now }, waitMs: Math.ceil(((1 - filled) * 60_000) / perMinute) };
}

/** The story of a rollout is said as it happens; what comes and goes waits for half a minute. */
const story = [
  ...['rollout-started', 'step-reached', 'held', 'resumed', 'approval-needed', 'full', 'completed', 'failed'],
  ...[
    'rolling-back',
    'rolled-back',
    'stuck',
    'digest',
    'freeze',
    'lock',
    'flag',
    'incident',
    'maintenance',
    'test',
  ],
];

/** Of the configuration, or where it has none: pagers hear what must be acted on, all others everything. */
export function routesOf(
  configured: readonly RouteConfig[] | undefined,
  channels: readonly { readonly name: string; readonly kind: string }[],
): readonly Route[] {
  const inApp = route({ channels: ['in-app'], isContinuing: true });
  if (configured) return [inApp, ...configured.map(configuredRoute)];
  const pagers = channels.filter(({ kind }) => kind === 'pagerduty').map(({ name }) => name);
  const others = channels.filter(({ kind }) => kind !== 'pagerduty').map(({ name }) => name);
  return [
    inApp,
    route({ channels: pagers, isContinuing: true }),
    route({ match: { kind: story }, channels: others }),
    route({ channels: others, groupWaitMs: 30_000, groupIntervalMs: 300_000 }),
  ];
}

function route(given: Partial<Route> & Pick<Route, 'channels'>): Route {
  const waits = { groupWaitMs: 0, groupIntervalMs: 0, repeatIntervalMs: 4 * 3_600_000 };
  return { match: {}, groupBy: ['rollout', 'environment'], isContinuing: false, ...waits, ...given };
}

function configuredRoute(given: RouteConfig): Route {
  const match = Object.fromEntries(
    Object.entries(given.match).filter((each): each is [string, string[]] => each[1] !== undefined),
  );
  return {
    ...{ match, channels: given.channels, groupBy: given.groupBy, groupWaitMs: given.groupWait },
    ...{ groupIntervalMs: given.groupInterval, repeatIntervalMs: given.repeatInterval },
    isContinuing: given.continue,
  };
}
