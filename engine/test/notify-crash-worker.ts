// Two rollouts of a service, told to every channel, in a process that may die at any point and is started
// again: a real journal, `decide` and what it owes, a real outbox. Ends by itself when everything is said.
import { SqliteJournal } from '../src/controller/journal-sqlite.ts';
import { openStateFile } from '../src/controller/state-file.ts';
import { nodeHost } from '../src/host-node.ts';
import { channelsOf } from '../src/notify/channels.ts';
import type { NotifyTables } from '../src/notify/delivery-log.ts';
import { Notifier } from '../src/notify/notifier.ts';
import { Outbox } from '../src/notify/outbox.ts';
import { routesOf } from '../src/notify/routing.ts';
import type { ChannelConfig } from '../src/notify-schema.ts';
import { decide } from '../src/rollout/decide.ts';
import type { Event } from '../src/rollout/events.ts';
import { outstanding } from '../src/rollout/outstanding.ts';
import { initialState } from '../src/rollout/rollout.ts';
import type { Kysely } from 'kysely';
import { storyEvents } from './notify-crash-story.ts';

const { STATE_FILE = '', CHANNELS = '{}' } = process.env;
const host = nodeHost();
const store = openStateFile(STATE_FILE);
const journal = await SqliteJournal.on(store);
const config = JSON.parse(CHANNELS) as Record<string, ChannelConfig>;
const world = { ...host, env: process.env, folder: '/' };
const channels = channelsOf(world, { channels: config }, undefined);
const named = [...channels].map(([name, { kind }]) => ({ name, kind }));
const outbox = new Outbox(store as unknown as Kysely<NotifyTables>);
const notifier = new Notifier({
  ...{ clock: host.clock, chance: () => 0, outbox, channels: () => channels },
  ...{ routes: () => routesOf(undefined, named), contactChannels: () => [] },
  log: (event, fields) => console.error(event, fields),
});

let state = initialState('voice');
let position = 0;
for (const { event } of (await journal.load()).entries) {
  take(event);
  position++;
}

function take(event: Event): void {
  const decision = decide(state, event);
  if (decision.kind !== 'accepted') throw new Error(decision.text);
  state = decision.state;
}

async function submit(event: Event): Promise<void> {
  await journal.append(event);
  take(event);
}

// The rest of the journal are words that a notice was queued.
const told = position - (state.noticeCount - state.notices.length);
// Whoever waits too long for the end is told what is missing.
process.once('SIGTERM', () => {
  void outbox.log.lines(100).then((lines) => {
    for (const each of lines) if (each.state !== 'sent') console.error(JSON.stringify(each));
    process.exit(1);
  });
});
void notifier.run();
await queueOwed();
for (const event of storyEvents.slice(told)) {
  await submit(event);
  await queueOwed();
}
for (;;) {
  const waiting = (await outbox.log.counts()).filter(({ state: each }) => each === 'waiting');
  if (waiting.length === 0) break;
  await new Promise((resolve) => setTimeout(resolve, 10));
}
console.log(JSON.stringify({ counts: await outbox.log.counts(), owed: state.notices.length }));
process.exit(0);

/** As effects.ts does it. */
async function queueOwed(): Promise<void> {
  for (const effect of outstanding(state)) {
    if (effect.kind !== 'notify') continue;
    await notifier.queue(effect.notice);
    await submit({ kind: 'notice-queued', id: effect.notice.id, at: host.clock.now() });
  }
}
