// GET /metrics: what Prometheus reads, filled from the state, the backups and the outbox as they are now.
import type { Hono } from 'hono';
import { lastVerified } from '../backup/verified-mark.ts';
import type { Host } from '../host.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { State } from '../rollout/rollout.ts';
import type { Bindings, Variables } from './access/admission.ts';
import type { GatewayLink } from './gateway-link.ts';
import type { Metrics, Seen } from './metrics.ts';

export type MetricsWorld = {
  readonly host: Host;
  readonly folder: string;
  readonly metrics: Metrics;
  readonly notifier: Notifier;
  readonly gateway: GatewayLink;
  readonly controller: { readonly state: State };
};

type App = Hono<{ Bindings: Bindings; Variables: Variables }>;

/** For Prometheus: with a viewer's token as bearer. */
export function addMetrics(world: MetricsWorld, app: App): void {
  app.get('/metrics', async (context) => {
    const text = await world.metrics.text(await seenBy(world));
    return context.text(text, 200, { 'content-type': world.metrics.contentType });
  });
}

export async function seenBy({
  host,
  folder,
  notifier,
  controller,
  gateway,
}: Omit<MetricsWorld, 'metrics'>): Promise<Seen> {
  const backup = lastVerified(host.files, `${folder}/.crossfade`);
  const told = await notifier.outbox.log.counts();
  const now = await gateway.state().catch(() => undefined);
  return { state: controller.state, backupAt: backup?.at, told, gateway: now };
}
