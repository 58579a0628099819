// The plan of a session: which routes, in order, under which release, with which short-lived credentials.
// It comes from the app's plan endpoint (server.ts) or from the caller; the session trusts its order.

/** One way to get speech to text. `expiresAt` is wall time, ms since 1970, of the token. */
export type PlanRoute = {
  readonly name: string;
  readonly type: 'speechmatics' | 'modal-parakeet';
  /** The vendor's realtime address. */
  readonly url?: string;
  /** A relay to go through instead, absolute or relative to the session's base URL. */
  readonly relay?: string;
  readonly token?: string;
  readonly expiresAt?: number;
};

/** Routes in order of preference; `channel` is a path or address of the gateway's session channel. */
export type SessionPlan = {
  readonly session: string;
  readonly routes: readonly PlanRoute[];
  readonly mirror?: { readonly route: string; readonly share: number };
  readonly release: string;
  readonly channel?: string;
  readonly channelToken?: string;
  readonly flagsVersion?: number;
};

/** What a session says when it asks for a plan again. */
export type PlanRequest = {
  readonly channelToken?: string;
  readonly release?: string;
  readonly reason?: string;
};

/** Gets a plan: from the app's endpoint, or a fixed one. Called again for tokens and handovers. */
export type FetchPlan = (previous?: PlanRequest) => Promise<SessionPlan>;

/** True when both lead to the same place: then a change of plan leaves the vendor's socket alone. */
export function isSameRoute(one: PlanRoute, other: PlanRoute): boolean {
  return (
    one.name === other.name && one.type === other.type && one.url === other.url && one.relay === other.relay
  );
}

/** What a route's health is counted under, across sessions. */
export function healthKey(route: PlanRoute): string {
  return `${route.name} ${route.url ?? ''} ${route.relay ?? ''}`;
}
