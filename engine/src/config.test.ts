// What the configuration accepts, refuses, and says about it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { durationMs } from './config-schema.ts';
import { configSchema, parseConfig } from './config.ts';
import { CrossfadeError } from './errors.ts';

const minimal = 'service: voice\napp: { start: npm run serve }\n';

function mistake(text: string): string {
  try {
    parseConfig(text, 'crossfade.yaml');
  } catch (error) {
    assert.ok(error instanceof CrossfadeError);
    return error.message;
  }
  throw new Error('was accepted');
}

test('a minimal file gets the documented defaults', () => {
  const config = parseConfig(minimal, 'crossfade.yaml');
  assert.equal(config.listen.gateway, '127.0.0.1:8080');
  assert.deepEqual(
    config.rollout.steps.map((each) => ('setWeight' in each ? each.setWeight : each.approve)),
    [10, 25, 75],
  );
  assert.equal(config.rollout.bake, 24 * 3_600_000);
  assert.equal(config.guards.errors.max, 0.05);
  assert.equal(config.guards.latency.over, 5000);
});

test('an unknown key is refused with its file and line', () => {
  assert.match(
    mistake(`${minimal}guards:\n  errors:\n    maxx: 5%\n`),
    /^crossfade\.yaml:5: guards\.errors\.maxx: unknown key/,
  );
});

test('a wrong duration names the value and the line', () => {
  assert.match(
    mistake(`${minimal}rollout:\n  bake: soon\n`),
    /crossfade\.yaml:4: rollout\.bake: "soon" is not a duration/,
  );
});

test('text that is not YAML is refused with its line', () => {
  assert.match(mistake('service: voice\napp: { start: x\n'), /crossfade\.yaml:\d+: /);
});

test('a route without an endpoint, and weights that do not rise, are refused', () => {
  assert.match(
    mistake(`${minimal}speech: { routes: [direct] }\n`),
    /"direct" is not one of speech\.endpoints/,
  );
  assert.match(
    mistake(`${minimal}rollout: { steps: [{ setWeight: 25 }, { setWeight: 10 }] }\n`),
    /weight 10 does not rise above 25/,
  );
});

test('a trusted proxy that is no network is refused with its line', () => {
  const listing = (...networks: string[]) =>
    `${minimal}listen:\n  trustedProxies:\n${networks.map((each) => `    - "${each}"\n`).join('')}`;
  const fine = ['10.0.0.0/8', '::1', '2001:db8::/32', '192.0.2.7'];
  assert.deepEqual(parseConfig(listing(...fine), 'crossfade.yaml').listen.trustedProxies, fine);
  for (const wrong of ['10.0.0.0/33', 'proxy.example', '10.0.0.0/', '10.0.0/8', '::1/129', '1.2.3.4/8/8', ''])
    assert.match(
      mistake(listing('::1', wrong)),
      /^crossfade\.yaml:6: listen\.trustedProxies\.1: "[^"]*" is not an address or a network/,
    );
});

test('durations are read in all units', () => {
  assert.deepEqual(['250ms', '30s', '10m', '24h', '7d', '5'].map(durationMs), [
    250,
    30_000,
    600_000,
    86_400_000,
    604_800_000,
    undefined,
  ]);
});

test('the published JSON Schema is the one that files are checked by', () => {
  const published = readFileSync(new URL('../crossfade.schema.json', import.meta.url), 'utf8');
  const current = JSON.stringify(configSchema(), undefined, 2);
  assert.equal(published.trim(), current, 'run `npm run schema`');
});
