// What the controller's process does again and again beside deciding: keep house, write the record, look at
// goals, hear what people outside ask for. A failure of one is logged and holds up no other.
import type { Config } from '../config.ts';
import { errorText } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Notifier } from '../notify/notifier.ts';
import type { Controller } from './controller.ts';
import type { GatewayLink } from './gateway-link.ts';
import { goalEveryMs, goalWatch } from './goal-watch.ts';
import type { Housekeeping } from './housekeeping.ts';
import { seenBy } from './metrics-route.ts';
import type { Metrics } from './metrics.ts';
import { beat, collectWishes } from './notifications.ts';
import type { OutsideRecord } from './outside.ts';
import { repeat } from './repeat.ts';
import { seriesStepMs, type SeriesRecord } from './series.ts';
import type { Subscribers } from './subscribers.ts';
import type { UsageRecord } from './usage-record.ts';

export type RoundParts = {
  readonly metrics: Metrics;
  readonly records: { readonly series: SeriesRecord };
  readonly host: Host;
  readonly folder: string;
  readonly controller: Controller;
  readonly usage: UsageRecord;
  readonly outside: OutsideRecord;
  readonly gateway: GatewayLink;
  readonly subscribers: Subscribers;
  readonly notifier: Notifier;
  readonly housekeeping: Housekeeping;
  readonly applied: { readonly current: Config };
  readonly log: (event: string, fields: Record<string, unknown>) => void;
};

const minuteMs = 60_000;

/** Each to be ended. */
export function startRounds(
  parts: RoundParts,
  world: Parameters<typeof goalWatch>[0],
): readonly { end(): void }[] {
  const { controller, usage, outside, gateway, subscribers, notifier, housekeeping, log } = parts;
  const safely = (event: string, work: () => Promise<void>) => (): Promise<void> =>
    work().catch((error: unknown) => log(event, { text: errorText(error) }));
  return [
    repeat(() => housekeeping.look(), minuteMs / 2),
    repeat(() => usage.flush(), minuteMs / 2),
    repeat(async () => usage.tick(controller.state, controller.clock.now()), 1_000),
    repeat(
      safely('days-not-read', () => outside.refresh()),
      minuteMs,
    ),
    repeat(
      safely('wishes-not-taken', () => collectWishes(gateway, subscribers, notifier)),
      5_000,
    ),
    repeat(goalWatch(world), goalEveryMs),
    repeat(
      safely('series-not-taken', async () => {
        const measured = await parts.metrics.measured(await seenBy(parts));
        parts.records.series.add(parts.host.clock.now(), measured);
      }),
      seriesStepMs,
    ),
    repeat(() => beat(parts.host, parts.folder, parts.applied.current, log), minuteMs),
  ];
}
