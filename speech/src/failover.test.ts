// The choice of the next route: the vendor's own advice, breakers, and never giving up.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { treatmentOf, type Treatment } from './ending.ts';
import { Breakers, nextRoute, type Attempt, type FailoverState } from './failover.ts';
import type { PlanRoute } from './plan.ts';

const EU: PlanRoute = { name: 'eu', type: 'speechmatics', url: 'wss://eu' };
const US: PlanRoute = { name: 'us', type: 'speechmatics', url: 'wss://us' };
const MODAL: PlanRoute = { name: 'modal', type: 'modal-parakeet', relay: '/relay' };

function state(attempts: readonly Attempt[], more: Partial<FailoverState> = {}): FailoverState {
  return { routes: [EU, US, MODAL], attempts, rounds: 0, nowMs: 0, jitter: 0.5, ...more };
}

function tried(route: string, treatment: Treatment, hadFreshToken = false): Attempt {
  return { route, treatment, hadFreshToken };
}

test('close codes and Error types are treated as the vendor documents them', () => {
  const closed = (code: number, wasReady = true): Treatment =>
    treatmentOf({ kind: 'closed', code, wasReady });
  const error = (type: string): Treatment => treatmentOf({ kind: 'error', type, reason: '' });
  assert.equal(closed(1003), 'configuration');
  assert.equal(closed(1008), 'restart');
  assert.equal(closed(1011), 'elsewhere');
  assert.equal(closed(4001), 'reauthorise');
  assert.equal(closed(4401), 'reauthorise');
  assert.equal(closed(4003), 'elsewhere');
  assert.equal(closed(4004), 'configuration');
  assert.equal(closed(4005), 'quota');
  assert.equal(closed(4006), 'quota');
  assert.equal(closed(4013), 'elsewhere');
  for (const code of [1000, 1001, 1005, 1006, 1012, 1013]) assert.equal(closed(code), 'restart');
  assert.equal(closed(1006, false), 'reauthorise');
  assert.equal(error('invalid_config'), 'configuration');
  assert.equal(error('quota_exceeded'), 'quota');
  assert.equal(error('not_authorised'), 'reauthorise');
  assert.equal(error('job_error'), 'elsewhere');
  assert.equal(error('something_new'), 'elsewhere');
});

test('a network cut tries the same route once, then the next', () => {
  const breakers = new Breakers();
  assert.deepEqual(nextRoute(state([tried('eu', 'restart')]), breakers), {
    kind: 'open',
    route: EU,
    needsFreshToken: false,
  });
  const again = nextRoute(state([tried('eu', 'restart'), tried('eu', 'restart')]), breakers);
  assert.deepEqual(again, { kind: 'open', route: US, needsFreshToken: false });
});

test('a refused token is renewed once', () => {
  const first = nextRoute(state([tried('eu', 'reauthorise')]), new Breakers());
  assert.deepEqual(first, { kind: 'open', route: EU, needsFreshToken: true });
  const second = nextRoute(
    state([tried('eu', 'reauthorise'), tried('eu', 'reauthorise', true)]),
    new Breakers(),
  );
  assert.deepEqual(second, { kind: 'open', route: US, needsFreshToken: false });
});

test('a route whose configuration is refused is not tried again with the same bytes', () => {
  const next = nextRoute(state([tried('eu', 'configuration')]), new Breakers());
  assert.deepEqual(next, { kind: 'open', route: US, needsFreshToken: false });
});

test('a quota that is used up keeps every session away for a while', () => {
  const breakers = new Breakers();
  breakers.failed(EU, 'quota', 10_000, 0);
  assert.equal(breakers.skipMs(EU, 1_000), 9_000);
  const next = nextRoute(state([], { nowMs: 1_000 }), breakers);
  assert.ok(next.kind === 'open' && next.route === US);
});

test('two quick deaths, or three failures in 30 s, skip a route; proof of life clears it', () => {
  const breakers = new Breakers();
  breakers.failed(EU, 'restart', 100, 0);
  assert.equal(breakers.skipMs(EU, 0), 0);
  breakers.failed(EU, 'restart', 100, 1_000);
  assert.ok(breakers.skipMs(EU, 1_000) > 0);
  breakers.proved(EU);
  assert.equal(breakers.skipMs(EU, 1_000), 0);
  for (const atMs of [0, 40_000, 80_000]) breakers.failed(US, 'restart', 20_000, atMs);
  assert.equal(breakers.skipMs(US, 80_000), 0);
  for (const atMs of [90_000, 95_000]) breakers.failed(US, 'restart', 20_000, atMs);
  assert.ok(breakers.skipMs(US, 95_000) > 0);
});

test('when all have failed it waits, longer each round up to 5 s, and then begins again', () => {
  const all = [tried('eu', 'elsewhere'), tried('us', 'elsewhere'), tried('modal', 'elsewhere')];
  const waits = [0, 1, 2, 3, 4, 5, 9].map((rounds) => {
    const next = nextRoute(state(all, { rounds }), new Breakers());
    return next.kind === 'wait' ? next.waitMs : -1;
  });
  assert.ok(waits.every((wait, index) => wait > 0 && wait >= (waits[index - 1] ?? 0)));
  assert.ok((waits.at(-1) ?? 0) <= 5_000);
  assert.equal(nextRoute(state([], { rounds: 1 }), new Breakers()).kind, 'open');
});
