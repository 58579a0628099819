// The one suite that every route adapter passes against its strict local server, direct and through a relay.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { encodeWords } from '../src/local/coded-word.ts';
import { startParakeetServer, type ParakeetServer } from '../src/local/parakeet-server.ts';
import { startRelay, type Relay } from '../src/local/relay.ts';
import { startSpeechmaticsServer, type SpeechmaticsServer } from '../src/local/speechmatics-server.ts';
import type { PlanRoute } from '../src/plan.ts';
import type { Route, RouteEvent } from '../src/route.ts';
import { openRoute } from '../src/routes.ts';
import { nativeWebSocket } from '../src/web-socket.ts';
import { eventually } from './deadline.ts';

const RATE = 20;
let speechmatics: SpeechmaticsServer;
let parakeet: ParakeetServer;
let relay: Relay;
before(async () => {
  speechmatics = await startSpeechmaticsServer({ apiKeys: ['key'], rate: RATE });
  parakeet = await startParakeetServer({ rate: RATE });
  relay = await startRelay({ url: parakeet.url, headers: parakeet.headers, token: 'ticket' });
});
after(async () => {
  await relay[Symbol.asyncDispose]();
  await parakeet[Symbol.asyncDispose]();
  await speechmatics[Symbol.asyncDispose]();
});

type Opened = { route: Route; events: RouteEvent[]; ready: () => Promise<void> };

function opened(plan: PlanRoute): Opened {
  const events: RouteEvent[] = [];
  const options = {
    language: 'en',
    maxDelayS: 1,
    vocabulary: [],
    rate: RATE,
    webSocket: nativeWebSocket,
    baseUrl: undefined,
  };
  const route = openRoute(plan, options, (event) => events.push(event));
  return { route, events, ready: () => eventually(() => events[0]?.kind === 'ready', 3000, 'ready') };
}

const ROUTES: readonly {
  name: string;
  plan: () => PlanRoute;
  server: () => { faults: ParakeetServer['faults'] };
}[] = [
  {
    name: 'speechmatics',
    plan: () => ({ name: 'direct', type: 'speechmatics', url: speechmatics.url, token: 'key' }),
    server: () => speechmatics,
  },
  {
    name: 'modal-parakeet through a relay',
    plan: () => ({ name: 'modal', type: 'modal-parakeet', relay: relay.url, token: 'ticket' }),
    server: () => parakeet,
  },
];

for (const { name, plan, server } of ROUTES) {
  describe(name, () => {
    test('all words come back in finals, in order, and the end answers for all audio', async () => {
      const { route, events, ready } = opened(plan());
      await ready();
      const script = encodeWords('we spoke of ships and shoes and sealing wax'.split(' '), {
        leadMs: 700,
        tailMs: 400,
        gapMs: 70,
      });
      for (let at = 0; at < script.samples.length; at += 1600)
        route.send(script.samples.subarray(at, at + 1600));
      route.end();
      await eventually(() => events.at(-1)?.kind === 'closed', 4000, 'the end');
      assert.deepEqual(events.at(-1), { kind: 'closed', ending: { kind: 'finished' } });
      const finals = events.filter((event) => event.kind === 'final');
      assert.deepEqual(
        finals.flatMap((final) =>
          final.words.filter((word) => word.kind === 'word').map((word) => word.text),
        ),
        'we spoke of ships and shoes and sealing wax'.split(' '),
      );
      assert.equal(finals.at(-1)?.toSample, script.samples.length);
      finals.forEach((final, index) => assert.ok(final.toSample >= (finals[index - 1]?.toSample ?? 0)));
    });

    test('silence is answered for without words', async () => {
      const { route, events, ready } = opened(plan());
      await ready();
      for (let second = 0; second < 4; second += 1) route.send(new Int16Array(16_000));
      const answered = (): boolean =>
        events.some((event) => event.kind === 'final' && event.toSample > 32_000);
      await eventually(answered, 3000, 'an answer for silence');
      assert.ok(events.every((event) => event.kind !== 'final' || event.words.length === 0));
      route.abandon();
    });

    test('a killed connection ends once, and not as finished', async () => {
      const { route, events, ready } = opened(plan());
      await ready();
      route.send(encodeWords(['half', 'a', 'sentence']).samples);
      server().faults.apply({ kind: 'kill' });
      await eventually(() => events.at(-1)?.kind === 'closed', 3000, 'the close');
      const last = events.at(-1);
      assert.ok(last?.kind === 'closed' && last.ending.kind !== 'finished');
      assert.equal(events.filter((event) => event.kind === 'closed').length, 1);
    });

    test('a refused open is a close before it was ready', async () => {
      server().faults.apply({ kind: 'refuse', status: 503, count: 1 });
      const { events } = opened(plan());
      await eventually(() => events.length > 0, 3000, 'the refusal');
      const first = events[0];
      assert.ok(first?.kind === 'closed' && first.ending.kind === 'closed' && !first.ending.wasReady);
    });

    test('an abandoned route says nothing more', async () => {
      const { route, events, ready } = opened(plan());
      await ready();
      route.send(encodeWords(['nobody', 'listens'], { tailMs: 2000 }).samples);
      route.abandon();
      const count = events.length;
      const other = opened(plan());
      await other.ready();
      other.route.end();
      await eventually(() => other.events.at(-1)?.kind === 'closed', 3000, 'the end of another route');
      assert.equal(events.length, count);
    });
  });
}

test('a cut that is asked for ends an utterance between two words, and neither is lost', async () => {
  const { route, events, ready } = opened(ROUTES[1]?.plan() as PlanRoute);
  await ready();
  const texts = 'one two three four five six seven eight nine ten'.split(' ');
  const script = encodeWords(texts, { tailMs: 1200 });
  for (let at = 0; at < script.samples.length; at += 1600) {
    route.send(script.samples.subarray(at, at + 1600));
    if (at === 16_000) route.cutSoon();
  }
  route.end();
  await eventually(() => events.at(-1)?.kind === 'closed', 4000, 'the end');
  const spoken = events.filter((event) => event.kind === 'final').filter((event) => event.words.length > 0);
  assert.ok(spoken.length >= 2);
  assert.deepEqual(
    spoken.flatMap((final) => final.words.map((word) => word.text)),
    texts,
  );
});
