// What everybody outside is told: components, incidents and windows, without versions, hosts or vendors'
// names. Made anew for each report; only since when a component is in its state is remembered.
import { errorText } from '../errors.ts';
import { isOpen } from '../rollout/alerts.ts';
import { impactOf, maintenanceStatus, type Incident, type Maintenance } from '../rollout/incidents.ts';
import { environmentWithRole, releaseOf, unfinished, type State } from '../rollout/rollout.ts';
import { weightPercent } from '../rollout/table.ts';
import type { GatewayLink } from './gateway-link.ts';
import type {
  ComponentState,
  Day,
  PublicComponent,
  PublicIncident,
  PublicMaintenance,
  PublicStatus,
} from '../api/public-status.ts';

/** What crossfade.yaml and the records add. */
export type Outside = {
  readonly title?: string | undefined;
  readonly url?: string | undefined;
  readonly contact?: string | undefined;
  readonly canSubscribe?: boolean;
  readonly showsRollout?: boolean;
  readonly components?: readonly { readonly name: string; readonly probe: string }[];
  /** Of the whole service, oldest first. */
  readonly days?: readonly Day[];
};

type Seen = { readonly state: ComponentState; readonly text: string };

const shownIncidents = 50;

const usual = [
  { name: 'Application', probe: 'application' },
  { name: 'Voice', probe: 'voice' },
  { name: 'Deployment', probe: 'deployment' },
] as const;

export class StatusBoard {
  readonly #gateway: Pick<GatewayLink, 'publishStatus'>;
  readonly #log: (event: string, fields: Record<string, unknown>) => void;
  readonly #outside: () => Outside;
  readonly #since = new Map<string, { state: ComponentState; at: number }>();

  constructor(
    gateway: Pick<GatewayLink, 'publishStatus'>,
    log: (event: string, fields: Record<string, unknown>) => void,
    outside: () => Outside = () => ({}),
  ) {
    this.#gateway = gateway;
    this.#log = log;
    this.#outside = outside;
  }

  /** Rejects when the gateway does not take it. */
  tell(state: State, at: number): Promise<void> {
    return this.#gateway.publishStatus(this.report(state, at));
  }

  /** Told at once between the rounds: incidents and windows, and what is announced or served. */
  changed(before: State, after: State, at: number): void {
    const seen = ({ incidents, maintenances, rollout }: State) => [
      incidents,
      maintenances,
      rollout?.phase.kind,
    ];
    const known = seen(before);
    if (seen(after).every((each, index) => each === known[index])) return;
    this.tell(after, at).catch((error: unknown) =>
      this.#log('status-not-published', { text: errorText(error) }),
    );
  }

  /** The report of a state at wall time `at` (ms). */
  report(state: State, at: number): PublicStatus {
    const { title, url, contact, canSubscribe, components = usual, showsRollout, days } = this.#outside();
    const rollout = showsRollout ? rolloutText(state) : undefined;
    return {
      service: state.service,
      title: title ?? state.service,
      ...(url !== undefined && { url }),
      ...(contact !== undefined && { contact }),
      ...(canSubscribe && { canSubscribe }),
      components: components.flatMap((each) => this.#component(state, at, each, days)),
      incidents: state.incidents.toReversed().slice(0, shownIncidents).map(incidentOf),
      maintenances: state.maintenances.toReversed().map((each) => windowOf(each, at)),
      ...(rollout !== undefined && { rollout }),
      updatedAt: at,
    };
  }

  #component(
    state: State,
    at: number,
    { name, probe }: { readonly name: string; readonly probe: string },
    days: readonly Day[] | undefined,
  ): PublicComponent[] {
    const seen = probed(state, probe);
    if (!seen) return [];
    const known = this.#since.get(name);
    const since = known?.state === seen.state ? known.at : at;
    this.#since.set(name, { state: seen.state, at: since });
    const id = name.toLowerCase().replace(/[^a-z0-9]+/g, '-') || 'component';
    return [{ id, name, ...seen, since, ...(probe === 'application' && days && { days: [...days] }) }];
  }
}

/** Nothing for a part that this service does not have. */
function probed(state: State, probe: string): Seen | undefined {
  if (probe === 'application') return application(state);
  if (probe === 'deployment') return { state: 'operational', text: deploymentText(state) };
  if (probe === 'voice') return voice(state);
  const route = /^route:(.+)$/.exec(probe)?.[1];
  if (route === undefined) return undefined;
  const isAway = state.demoted.some((each) => each.route === route && !each.isBack);
  return isAway ? { state: 'partial_outage', text: 'Another way is used meanwhile' } : works;
}

const works: Seen = { state: 'operational', text: 'Everything works' };

function application(state: State): Seen {
  const name = environmentWithRole(state, 'stable');
  if (!name) return { state: 'unknown', text: 'Nothing is deployed yet' };
  const { instances } = state.environments[name];
  const ready = instances.filter((each) => each.state === 'ready').length;
  if (ready === 0) return { state: 'major_outage', text: 'The service is down' };
  const isTroubled = state.alerts.some(
    (each) => isOpen(each) && (each.severity === 'SEV1' || each.severity === 'SEV2'),
  );
  if (ready < instances.length || isTroubled)
    return { state: 'degraded_performance', text: 'Some requests may be slow or fail' };
  return works;
}

function voice(state: State): Seen | undefined {
  const name = environmentWithRole(state, 'stable');
  const release = name && releaseOf(state, state.environments[name].release!);
  if (!release || release.routes.length === 0) return undefined;
  const app = application(state);
  if (app.state === 'major_outage') return { state: 'major_outage', text: 'No conversation can begin' };
  const away = new Set(state.demoted.flatMap((each) => (each.isBack ? [] : [each.route])));
  const left = release.routes.filter((each) => !away.has(each.name));
  if (left.length === 0) return { state: 'partial_outage', text: 'Conversations may fail' };
  if (left.length < release.routes.length)
    return { state: 'degraded_performance', text: 'New conversations take another way' };
  return { state: 'operational', text: 'Conversations work' };
}

function deploymentText(state: State): string {
  const phase = visiblePhase(state);
  if (phase === 'rolling-back' || phase === 'stuck') return 'An earlier version is being restored';
  return phase && phase !== 'preparing' ? 'A new version is being introduced' : 'No change is under way';
}

function rolloutText(state: State): string | undefined {
  const phase = visiblePhase(state);
  if (phase !== 'stepping' && phase !== 'paused' && phase !== 'baking') return undefined;
  return `A new version reaches ${weightPercent(state)} % of users.`;
}

/** Nobody's version changes in a drill. */
function visiblePhase(state: State): string | undefined {
  const rollout = unfinished(state);
  return rollout?.kind === 'drill' ? undefined : rollout?.phase.kind;
}

function incidentOf(incident: Incident): PublicIncident {
  const { id, title, status, openedAt, resolvedAt, updates } = incident;
  const told = updates.filter((each) => each.text !== '');
  const monitoringAt = told.find((each) => each.status === 'monitoring')?.at;
  return {
    ...{ id, title, status, impact: impactOf(incident), openedAt },
    ...(resolvedAt !== undefined && { resolvedAt }),
    ...(monitoringAt !== undefined && { monitoringAt }),
    updates: told.toReversed().map((each) => ({ at: each.at, status: each.status, text: each.text })),
  };
}

function windowOf(window: Maintenance, at: number): PublicMaintenance {
  const { id, title, text, from, until, endedAt } = window;
  const status = maintenanceStatus(window, at);
  return { id, title, text, status, from, until, ...(endedAt !== undefined && { endedAt }) };
}
