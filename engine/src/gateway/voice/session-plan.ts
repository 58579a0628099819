// The plan of a voice session, for the app's plan handler. V1 pinned: asked again with its channel token, a
// session gets the same release, routes and flags, with fresh tokens, whatever the weights say now. V2 a
// handover ends the pin; then, and for a new session, what is in force decides. V3 no vendor secret is in it:
// a relayed route has a token for the relay, a direct one is completed by the app's handler.
import { z } from 'zod';
import { planFor } from '../../api/plan.ts';
import type { Arm, Flags, Override, RouteTable, ServiceTable, SpeechRoute } from '../../api/route-table.ts';
import { valuesFor } from '../flags/arm-flags.ts';
import { overridesInForce, slotOf } from '../slot.ts';
import type { Pins } from './pins.ts';
import { channelClaim, readToken, signToken, type ChannelClaim } from './signed-token.ts';

const channelLifeMs = 3_600_000;
const relayLifeMs = 300_000;

/** What the handler sends; its own release is for logs, the answer's is the one that counts. */
export const planRequest = z.object({
  release: z.string().max(100).optional(),
  key: z.string().min(1).max(512).optional().catch(undefined),
  channelToken: z.string().max(20_000).optional(),
  session: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,100}$/)
    .optional(),
  reason: z.string().max(2_000).optional(),
});
export type PlanRequest = z.infer<typeof planRequest>;

export type PlannedRoute = {
  readonly name: string;
  readonly type: SpeechRoute['type'];
  readonly url?: string;
  readonly relay?: string;
  readonly token?: string;
  readonly expiresAt?: number;
};

export type SessionPlan = {
  readonly session: string;
  readonly release: string;
  readonly routes: readonly PlannedRoute[];
  readonly flags: Flags;
  readonly flagsVersion: number;
  readonly mirror?: { readonly route: string; readonly share: number };
  readonly channelToken: string;
  readonly channel: string;
};

export type PlanWorld = {
  readonly table: RouteTable;
  readonly overrides: readonly Override[];
  readonly pins: Pins;
  readonly nowMs: number;
  readonly makeSession: () => string;
  readonly channelSecret: string;
  readonly relaySecret: string;
};

/** What a session is given: an arm and the part of its routes that the flags leave. */
type Choice = {
  readonly release: string;
  readonly routes: readonly SpeechRoute[];
  readonly mirror: string | undefined;
  readonly flags: Flags;
  readonly flagsVersion: number;
  readonly pinnedAtMs: number;
};

/** Undefined when the table has no service, or no route is left for this session. */
export function planSession(world: PlanWorld, request: PlanRequest): SessionPlan | undefined {
  const entry = Object.entries(world.table.services)[0];
  if (!entry) return undefined;
  const [name, service] = entry;
  const claim =
    request.channelToken === undefined
      ? undefined
      : readToken(world.channelSecret, request.channelToken, channelClaim);
  const key = request.key ?? claim?.key;
  const choice = pinned(world, service, claim) ?? inForce(world, name, service, key);
  if (choice.routes.length === 0) return undefined;
  const session = claim?.session ?? request.session ?? world.makeSession();
  return planOf(world, session, key, choice);
}

/** The same as before, as far as the table still has it (V1). */
function pinned(
  world: PlanWorld,
  service: ServiceTable,
  claim: ChannelClaim | undefined,
): Choice | undefined {
  if (!claim || claim.expiresAtMs < world.nowMs || world.pins.endingOf(claim, world.nowMs)) return undefined;
  const arm = armWithRelease(service, claim.release);
  const routes = claim.routes.map((name) => arm?.routes.find((each) => each.name === name));
  if (routes.some((each) => each === undefined)) return undefined;
  const { release, mirror, flags, flagsVersion, pinnedAtMs } = claim;
  return { release, routes: routes as SpeechRoute[], mirror, flags, flagsVersion, pinnedAtMs };
}

function inForce(world: PlanWorld, name: string, service: ServiceTable, key: string | undefined): Choice {
  const arm = service[slotOf(service, overridesInForce(world.overrides, name), key)] ?? service.stable;
  const flags = valuesFor(arm, key);
  const { routes, mirror } = planFor(arm.routes, flags);
  const { release, flagsVersion } = arm;
  const pinnedAtMs = world.pins.pinTime(release, world.nowMs);
  return { release, routes, mirror: mirror?.name, flags, flagsVersion, pinnedAtMs };
}

export function hasRoute(table: RouteTable | undefined, name: string): boolean {
  return Object.values(table?.services ?? {}).some(({ stable, candidate, standby }) =>
    [stable, candidate, standby].some((arm) => arm?.routes.some((each) => each.name === name)),
  );
}

export function armWithRelease(service: ServiceTable, release: string): Arm | undefined {
  return [service.stable, service.candidate, service.standby].find((arm) => arm?.release === release);
}

function planOf(world: PlanWorld, session: string, key: string | undefined, choice: Choice): SessionPlan {
  const { release, mirror, flags, flagsVersion, pinnedAtMs } = choice;
  const claim: ChannelClaim = {
    session,
    release,
    ...(key !== undefined && { key }),
    pinnedAtMs,
    routes: choice.routes.map((each) => each.name),
    ...(mirror !== undefined && { mirror }),
    flags,
    flagsVersion,
    expiresAtMs: world.nowMs + channelLifeMs,
  };
  return {
    session,
    release,
    routes: choice.routes.map((route) => plannedRoute(world, session, release, route)),
    flags,
    flagsVersion,
    ...(mirror !== undefined && { mirror: { route: mirror, share: 1 } }),
    channelToken: signToken(world.channelSecret, claim),
    channel: '/_crossfade/session',
  };
}

function plannedRoute(world: PlanWorld, session: string, release: string, route: SpeechRoute): PlannedRoute {
  const { name, type, url, via } = route;
  if (via === 'direct') return { name, type, url };
  const expiresAt = world.nowMs + relayLifeMs;
  const token = signToken(world.relaySecret, { session, release, route: name, expiresAtMs: expiresAt });
  return { name, type, relay: `/_crossfade/relay/${name}`, token, expiresAt };
}
