// The outbox over a real SQLite file and a clock of its own: outages of ten minutes, rates, a receiver that
// wants no more, groups, what was over before it was said, reminders.
import { test, type TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Kysely } from 'kysely';
import { openStateFile } from '../src/controller/state-file.ts';
import type { Clock } from '../src/host.ts';
import type { Channel, Message, Outcome } from '../src/notify/channel.ts';
import type { NotifyTables } from '../src/notify/delivery-log.ts';
import { Notifier } from '../src/notify/notifier.ts';
import { Outbox } from '../src/notify/outbox.ts';
import { routesOf } from '../src/notify/routing.ts';
import type { Notice } from '../src/rollout/notices.ts';
import { until } from './stage.ts';

/** A channel by script, where the receiver is not what is looked at. */
class Scripted {
  readonly sent: { readonly message: Message; readonly at: number }[] = [];
  answer: (message: Message) => Outcome = ({ id }) => ({ kind: 'sent', vendor: id });
  readonly channel: Channel;

  constructor(clock: () => number, more: Partial<Channel> = {}) {
    this.channel = {
      ...{ kind: 'webhook', isGrouping: false, hasIdentity: true, perMinute: 600, ...more },
      send: async (message) => {
        this.sent.push({ message, at: clock() });
        return this.answer(message);
      },
    };
  }
}

class Rig {
  readonly ops: Scripted;
  readonly mail: Scripted;
  readonly outbox: Outbox;
  readonly notifier: Notifier;
  now = 1_000_000;

  constructor(t: TestContext) {
    const folder = mkdtempSync(join(tmpdir(), 'cf-outbox-'));
    const store = openStateFile(join(folder, 'crossfade.db'));
    t.after(async () => {
      await store.destroy();
      rmSync(folder, { recursive: true });
    });
    const clock: Clock = {
      now: () => this.now,
      monotonic: () => this.now,
      timer: () => ({ cancel: () => undefined }),
    };
    this.ops = new Scripted(clock.now);
    this.mail = new Scripted(clock.now, { kind: 'mail', isGrouping: true, hasIdentity: false });
    const channels = new Map([
      ['ops', this.ops.channel],
      ['mail', this.mail.channel],
    ]);
    this.outbox = new Outbox(store as unknown as Kysely<NotifyTables>);
    const named = [...channels].map(([name, { kind }]) => ({ name, kind }));
    this.notifier = new Notifier({
      ...{ clock, chance: () => 0, outbox: this.outbox, channels: () => channels },
      ...{ routes: () => routesOf(undefined, named), contactChannels: () => [], log: () => undefined },
    });
  }

  /** Lets the time pass, a look each second or, over long times, whenever something is due. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await this.turn();
    for (let next = await this.outbox.nextAt(); next !== undefined && next <= end;) {
      this.now = Math.max(this.now, next);
      await this.turn();
      next = await this.outbox.nextAt();
    }
    this.now = end;
    await this.turn();
  }

  /** Until nothing is due any more. */
  async turn(): Promise<void> {
    await this.notifier.turn();
    await until(async () => ((await this.outbox.dueChannels(this.now)).length === 0 ? true : undefined));
  }

  async counts(): Promise<Record<string, number>> {
    const counts = await this.outbox.log.counts();
    return Object.fromEntries(
      counts.map(({ channel, state, reason, count }) => [`${channel} ${reason || state}`, count]),
    );
  }
}

let count = 0;
function notice(rig: Rig, kind: Notice['kind'], more: Partial<Notice> = {}): Notice {
  return {
    ...{
      id: `n${++count}`,
      at: rig.now,
      kind,
      severity: 'warning',
      service: 'voice',
      title: kind,
      text: 'x',
    },
    ...{ rollout: 7, key: 'rollout/7' },
    ...more,
  };
}

const ids = (scripted: Scripted): string[] => scripted.sent.map(({ message }) => message.id);

test('an outage of ten minutes: tried by the schedule with one id, then taken', async (t) => {
  const rig = new Rig(t);
  const first = rig.now;
  rig.ops.answer = ({ id }) =>
    rig.now < first + 600_000 ? { kind: 'retry', text: 'it answered 503' } : { kind: 'sent', vendor: id };
  const one = notice(rig, 'rolling-back');
  await rig.notifier.queue(one);
  await rig.pass(3_600_000);
  assert.deepEqual(
    rig.ops.sent.map(({ at }) => at - first),
    [0, 5_000, 305_000, 2_105_000],
  );
  assert.deepEqual(new Set(ids(rig.ops)), new Set([one.id]));
  assert.deepEqual(await rig.counts(), { 'ops sent': 1, 'mail sent': 1 });
});

test('what nobody takes in four days is given up, shown, and can be sent again', async (t) => {
  const rig = new Rig(t);
  rig.ops.answer = () => ({ kind: 'retry', text: 'it answered 503' });
  const one = notice(rig, 'rolling-back');
  await rig.notifier.queue(one);
  await rig.pass(5 * 86_400_000);
  assert.equal(rig.ops.sent.length, 10);
  assert.deepEqual(await rig.counts(), { 'ops it answered 503': 1, 'mail sent': 1 });
  const [line] = await rig.outbox.log.lines(1, 'ops');
  assert.deepEqual([line!.state, line!.attempts], ['dead', 10]);
  rig.ops.answer = ({ id }) => ({ kind: 'sent', vendor: id });
  assert.equal(await rig.outbox.log.replay(one.id, rig.now), 2);
  await rig.turn();
  assert.equal((await rig.outbox.log.lines(1, 'ops'))[0]!.state, 'sent');
});

test('G5: the newest threads are remembered, and always that a channel wants no more', async (t) => {
  const { outbox, now } = new Rig(t);
  const memory = outbox.memory('ops');
  await outbox.disable('ops', 'it answered 410');
  for (let thread = 0; thread <= 500; thread++) await memory.write(`thread ${thread}`, 'x');
  await outbox.remind(now);
  assert.equal(await memory.read('thread 0'), undefined);
  assert.equal(await memory.read('thread 1'), 'x');
  assert.equal(await memory.read('thread 500'), 'x');
  assert.equal(await outbox.disabledBecause('ops'), 'it answered 410');
});

test('a wait that the receiver asks for holds its whole channel, and no other', async (t) => {
  const rig = new Rig(t);
  const first = rig.now;
  rig.ops.answer = ({ id }) =>
    rig.now < first + 60_000
      ? { kind: 'retry', text: 'it answered 429', afterMs: 60_000 }
      : { kind: 'sent', vendor: id };
  await rig.notifier.queue(notice(rig, 'rollout-started'));
  await rig.turn();
  await rig.notifier.queue(notice(rig, 'full'));
  await rig.turn();
  assert.deepEqual([rig.ops.sent.length, rig.mail.sent.length], [1, 2]);
  await rig.pass(120_000);
  assert.ok(rig.ops.sent.slice(1).every(({ at }) => at >= first + 60_000));
  assert.deepEqual(await rig.counts(), { 'ops sent': 2, 'mail sent': 2 });
});

test('410 turns the channel off until it is tested; what came meanwhile is counted', async (t) => {
  const rig = new Rig(t);
  rig.ops.answer = () => ({ kind: 'gone', text: 'it answered 410: it wants no more' });
  await rig.notifier.queue(notice(rig, 'full'));
  await rig.turn();
  await rig.notifier.queue(notice(rig, 'completed'));
  await rig.turn();
  assert.equal(rig.ops.sent.length, 1);
  const counts = await rig.counts();
  assert.equal(counts['ops disabled'], 1);
  rig.ops.answer = ({ id }) => ({ kind: 'sent', vendor: id });
  assert.equal((await rig.notifier.test('ops', notice(rig, 'test'))).kind, 'sent');
  await rig.notifier.queue(notice(rig, 'rollout-started'));
  await rig.turn();
  assert.equal((await rig.counts())['ops sent'], 1);
});

test('what comes within half a minute is one mail; what was over before is in none', async (t) => {
  const rig = new Rig(t);
  const guard = (name: string, more: Partial<Notice> = {}) =>
    notice(rig, 'guard-changed', { key: `guard/${name}/7`, ...more });
  await rig.notifier.queue(guard('errors'));
  rig.now += 5_000;
  await rig.notifier.queue(guard('latency'));
  rig.now += 5_000;
  await rig.notifier.queue(guard('health'));
  await rig.notifier.queue({ ...guard('health'), kind: 'guard-cleared', severity: 'info', resolves: true });
  assert.equal(rig.mail.sent.length, 0);
  await rig.pass(40_000);
  assert.equal(rig.mail.sent.length, 1);
  assert.deepEqual(
    rig.mail.sent[0]!.message.notices.map(({ key }) => key),
    ['guard/errors/7', 'guard/latency/7'],
  );
  assert.equal((await rig.counts())['mail resolved-in-time'], 2);
});

test('whoever heard that it began hears that it is over, though a change was waiting', async (t) => {
  const rig = new Rig(t);
  const guard = (more: Partial<Notice>) => notice(rig, 'guard-changed', { key: 'guard/errors/7', ...more });
  await rig.notifier.queue(guard({ title: 'suspect' }));
  await rig.pass(31_000);
  await rig.notifier.queue(guard({ title: 'breach' }));
  await rig.notifier.queue({ ...guard({ title: 'clear' }), kind: 'guard-cleared', resolves: true });
  await rig.pass(600_000);
  const titles = rig.mail.sent.flatMap(({ message }) => message.notices.map(({ title }) => title));
  assert.deepEqual(titles, ['suspect', 'clear (flapping)']);
});

test('what still stands after four hours is said again, and not after it has ended', async (t) => {
  const rig = new Rig(t);
  const alert = notice(rig, 'alert', { key: 'alert/a1', severity: 'critical' });
  await rig.notifier.queue(alert);
  await rig.turn();
  await rig.pass(4 * 3_600_000 + 61_000);
  await rig.pass(61_000);
  assert.deepEqual(ids(rig.ops), [alert.id, `${alert.id}-r1`]);
  await rig.notifier.queue({ ...alert, id: 'n-over', resolves: true, severity: 'info' });
  await rig.pass(9 * 3_600_000);
  await rig.pass(61_000);
  assert.deepEqual(
    ids(rig.ops).filter((id) => id.includes('-r')),
    [`${alert.id}-r1`],
  );
});

test('one notice that is queued twice is sent once', async (t) => {
  const rig = new Rig(t);
  const one = notice(rig, 'full');
  await Promise.all([rig.notifier.queue(one), rig.notifier.queue(one)]);
  await rig.turn();
  assert.deepEqual(ids(rig.ops), [one.id]);
});

test('an attempt that a crash cut off is tried again at once, and counts for no longer wait', async (t) => {
  const rig = new Rig(t);
  const first = rig.now;
  await rig.notifier.queue(notice(rig, 'full'));
  const rows = await rig.outbox.nextMessage('ops', false, rig.now);
  await rig.outbox.begin(rows, 'the process ends here', false, rig.now);
  rig.ops.answer = ({ id }) =>
    rig.now < first + 1_000 ? { kind: 'retry', text: 'it answered 503' } : { kind: 'sent', vendor: id };
  await rig.pass(60_000);
  assert.deepEqual(
    rig.ops.sent.map(({ at, message }) => [at - first, message.isRepeat]),
    [
      [0, true],
      [5_000, true],
    ],
  );
});
