// What Crossfade does by itself: each act with its reason, within its bounds, and stopped by `healing off`.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Event } from './events.ts';
import { outstanding } from './outstanding.ts';
import { routesInForce, type State } from './rollout.ts';
import { tableOf, weightPercent } from './table.ts';
import { deployed, evidence, fire, next, release, serving, settle } from '../../test/rollout-play.ts';

const condemned = (nonce: string, at: number): Event => ({
  kind: 'instance-condemned',
  environment: 'blue',
  nonce,
  reason: '600 MiB of at most 512 MiB',
  at,
});
const healing = (isOn: boolean): Event => ({
  kind: 'healing-requested',
  isOn,
  reason: 'mine',
  at: 1,
  actor: 'ann',
});

function routed(state: State): string[] {
  return tableOf(state)!.services['voice']!.stable.instances.map((each) => each.nonce);
}

function revived(state: State, nonce: string, at: number): State {
  const planned = next(state, {
    kind: 'instance-planned',
    environment: 'blue',
    release: 'r1',
    nonce,
    port: 2,
    url: 'http://127.0.0.1:2',
    at,
  });
  return next(planned, { kind: 'environment-revived', environment: 'blue', nonces: [nonce], at });
}

test('an instance over its memory serves until its replacement is proven, drains, and is stopped', () => {
  let state = next(serving(), condemned('r1-blue', 10));
  assert.deepEqual(routed(state), ['r1-blue']);
  assert.equal(outstanding(state).find((each) => each.kind === 'revive')?.kind, 'revive');
  state = revived(state, 'new', 20);
  assert.deepEqual(routed(state), ['new']);
  assert.ok(
    !outstanding(state).some((each) => each.kind === 'retire'),
    'not before the gateway has the table',
  );
  state = settle(state, 30);
  assert.deepEqual(
    state.environments.blue.instances.map((each) => each.nonce),
    ['new'],
  );
  assert.match(state.healing.acts.at(-1)!.text, /instance r1-blue in blue is replaced: 600 MiB/);
});

test('one at a time, not twice within ten seconds, and never when a person has stopped it', () => {
  let state = next(serving(), condemned('r1-blue', 10));
  assert.equal(next(state, condemned('r1-blue', 11)).healing.acts.length, 1);
  state = settle(revived(state, 'new', 20), 30);
  const again = next(state, condemned('new', 40));
  const effect = outstanding(again).find((each) => each.kind === 'revive');
  assert.equal(effect?.kind === 'revive' && effect.notBefore, 10_020);
  const stopped = next(next(serving(), healing(false)), condemned('r1-blue', 10));
  assert.equal(stopped.environments.blue.instances[0]!.condemned, undefined);
  assert.ok(next(stopped, healing(true)).healing.isOff === false);
});

function slow(state: State, at: number): State {
  const one = {
    guard: 'slow',
    t: at,
    state: 'suspect',
    stable: 'clear',
    text: '9 of 60 answers took over 3 s',
    counts: { candidate: 60, stable: 60, failed: 9 },
  } as const;
  return next(state, { kind: 'guards-judged', verdict: 'continue', text: 'slow', evidence: [one], at });
}

test('slow answers take one step of weight first, then instances up to the bound, and clear goes on', () => {
  const scaled = serving(['r1']);
  const wide = { ...release('r2'), app: { ...release('r2').app, scaleMax: 2 } };
  let state = next(scaled, { kind: 'release-created', release: wide, at: 0, actor: 'ann' });
  state = settle(deployed(state, 'r2', 'canary', 0), 0);
  state = settle(fire(evidence(state, 'clear', 900), 'hold', 1_000), 1_000);
  assert.equal(weightPercent(state), 25);
  state = slow(state, 1_500);
  assert.equal(weightPercent(state), 10);
  assert.equal(state.rollout!.phase.kind, 'paused');
  state = fire(state, 'ease', 16_500);
  assert.equal(state.environments.green.wanted, 2);
  assert.ok(outstanding(state).some((each) => each.kind === 'revive' && each.environment === 'green'));
  state = fire(state, 'ease', 31_500);
  assert.equal(state.environments.green.wanted, 2, 'no more than is configured');
  state = evidence(state, 'clear', 40_000);
  assert.equal(state.rollout!.phase.kind, 'stepping');
  assert.equal(state.healing.acts.length, 2);
});

test('the lowest step keeps its weight, so that one sees whether it becomes better', () => {
  const state = slow(settle(deployed(serving(), 'r2', 'canary', 0), 0), 500);
  assert.equal(weightPercent(state), 10);
  assert.equal(state.rollout!.phase.kind, 'paused');
});

test('a route that fails comes last for new sessions, and stays there longer each time', () => {
  const failed = (at: number): Event => ({
    kind: 'route-failed',
    route: 'direct',
    reason: '4 of 5 sessions left it',
    at,
  });
  const order = (state: State) => routesInForce(state, state.releases[1]!).map((each) => each.name);
  let state = next(settle(deployed(serving(), 'r2', 'full', 0), 0), failed(0));
  assert.deepEqual(order(state), ['modal', 'direct']);
  assert.deepEqual(next(state, failed(10)).demoted, state.demoted);
  const used = next(state, { kind: 'route-use-requested', route: 'direct', at: 20, actor: 'ann' });
  assert.deepEqual(order(used), ['direct', 'modal'], "a person's word outranks it");
  state = fire(state, 'route/direct', 300_000);
  assert.deepEqual(order(state), ['direct', 'modal']);
  state = next(state, failed(400_000));
  assert.equal(state.demoted[0]!.until, 1_000_000);
});

test('an instance that is retiring is not forgotten when its environment is prepared again', () => {
  let state = settle(deployed(serving(), 'r2', 'full', 0), 0);
  state = settle(fire(state, 'bake', 5_000), 5_000);
  state = revived(next(state, condemned('r1-blue', 5_010)), 'new', 5_020);
  const retiring = () =>
    state.environments.blue.instances.filter((each) => each.isRetiring).map((each) => each.nonce);
  assert.deepEqual(retiring(), ['r1-blue']);
  state = deployed(state, 'r1', 'full', 5_030);
  const place = { environment: 'blue', release: 'r1' } as const;
  state = next(state, { kind: 'environment-ready', ...place, nonces: ['new'], at: 5_040 });
  assert.deepEqual(retiring(), ['r1-blue'], 'its process lives: somebody must still end it');
  assert.ok(!outstanding(state).some((each) => each.kind === 'prepare'));
});
