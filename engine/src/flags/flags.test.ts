// Flags as flagd-core evaluates what was compiled: nobody changes back while a ramp grows, a missing key is
// the stable arm, a kill outranks everything, and mistakes are named with their place.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { parseConfig } from '../config.ts';
import type { FlagDefinition, FlagSet } from '../api/flags.ts';
import { flagMistakes } from './check.ts';
import type { SpeechRoute } from '../api/route-table.ts';
import { FlagEvaluator } from './evaluate.ts';
import { withoutRoute } from './routes-left.ts';

const onOff = { variants: { on: true, off: false }, default: 'off' } as const;
const percent = fc.integer({ min: 0, max: 100 });
const user = fc.string({ minLength: 1, maxLength: 20 });

function variantOf(
  set: FlagSet,
  name: string,
  targetingKey?: string,
  killed: readonly string[] = [],
): string {
  return new FlagEvaluator(set, killed).evaluate(name, { targetingKey })!.variant;
}

test('a growing ramp takes nobody back, with one growing arm or two', () => {
  const three = (b: number, c: number): FlagDefinition => ({
    variants: { a: 'a', b: 'b', c: 'c' },
    default: 'a',
    ramp: { b, c },
  });
  fc.assert(
    fc.property(user, percent, percent, percent, percent, (key, one, two, three_, four) => {
      const [b1, b2] = [one, two].sort((x, y) => x - y).map((each) => each / 2) as [number, number];
      const [c1, c2] = [three_, four].sort((x, y) => x - y).map((each) => each / 2) as [number, number];
      const before = variantOf({ f: three(b1, c1) }, 'f', key);
      const after = variantOf({ f: three(b2, c2) }, 'f', key);
      assert.ok(before === 'a' || after === before, `${key}: ${before} became ${after}`);
    }),
  );
});

test('about the share that is asked for gets it, another one for each flag', () => {
  const set = { f: { ...onOff, ramp: { on: 25 } }, g: { ...onOff, ramp: { on: 25 } } };
  const flags = new FlagEvaluator(set, []);
  const keys = Array.from({ length: 20_000 }, (_, index) => `user-${index}`);
  const on = (name: string) =>
    new Set(keys.filter((targetingKey) => flags.evaluate(name, { targetingKey })!.value === true));
  const [f, g] = [on('f'), on('g')];
  assert.ok(Math.abs(f.size / keys.length - 0.25) < 0.01, `${f.size} of ${keys.length}`);
  const both = [...f].filter((key) => g.has(key)).length;
  assert.ok(Math.abs(both / keys.length - 0.0625) < 0.01, 'not the same people first each time');
});

test('without a key there is no ramp: everybody is on the stable arm, and it is counted', () => {
  const flags = new FlagEvaluator({ f: { ...onOff, ramp: { on: 100 } } }, []);
  for (const context of [{}, { targetingKey: '' }]) {
    assert.deepEqual(flags.evaluate('f', context), {
      key: 'f',
      value: false,
      variant: 'off',
      reason: 'DEFAULT',
    });
    assert.ok(flags.lacksKey('f', context));
  }
  assert.equal(flags.evaluate('f', { targetingKey: 'ann' })!.variant, 'on');
  assert.ok(!flags.lacksKey('f', { targetingKey: 'ann' }));
  assert.equal(flags.evaluate('nothing', {}), undefined);
});

test('kill outranks needs, list, ramp and default, and what needs the flag goes with it', () => {
  const set: FlagSet = {
    base: { ...onOff, default: 'on', off: 'off' },
    top: { ...onOff, people: { on: ['ann'] }, ramp: { on: 100 }, needs: [{ flag: 'base', is: true }] },
  };
  fc.assert(
    fc.property(user, (key) => {
      assert.equal(variantOf(set, 'top', key), 'on');
      assert.equal(variantOf(set, 'top', key, ['top']), 'off');
      assert.equal(variantOf(set, 'top', key, ['base']), 'off');
    }),
  );
  assert.equal(variantOf(set, 'top', 'ann', ['top']), 'off', 'a list does not outrank it');
});

test('needs hold for each user by the other flag’s own ramp, through several flags', () => {
  const set: FlagSet = {
    a: { ...onOff, ramp: { on: 50 } },
    b: { ...onOff, ramp: { on: 100 }, needs: [{ flag: 'a', is: true }] },
    c: { ...onOff, default: 'on', needs: [{ flag: 'b', is: true }] },
    d: { ...onOff, ramp: { on: 100 }, needs: [{ flag: 'b', is: false }] },
  };
  const flags = new FlagEvaluator(set, []);
  fc.assert(
    fc.property(user, (targetingKey) => {
      const value = (name: string) => flags.evaluate(name, { targetingKey })!.value;
      assert.equal(value('b'), value('a'));
      assert.equal(value('d'), !value('b'));
    }),
  );
});

test('a list names its people whatever the ramp says', () => {
  const set = { f: { ...onOff, people: { on: ['ann'] } } };
  assert.deepEqual(new FlagEvaluator(set, []).evaluate('f', { targetingKey: 'ann' }), {
    key: 'f',
    value: true,
    variant: 'on',
    reason: 'TARGETING_MATCH',
  });
  assert.equal(variantOf(set, 'f', 'ben'), 'off');
});

test('what cannot be is said with its place when the file is read', () => {
  const said = (flags: string): string => {
    try {
      parseConfig(`service: voice\napp: { start: x }\nflags:\n${flags}`, 'crossfade.yaml');
      return 'nothing';
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(said('  a: true\n  b: { ramp: 25, needs: [{ flag: a, is: true }] }\n'), 'nothing');
  assert.match(
    said('  a: true\n  b: { needs: [{ flag: x, is: true }] }\n'),
    /:5: flags\.b\.needs: there is no flag "x"/,
  );
  assert.match(said('  b: { needs: [{ flag: b, is: true }] }\n'), /in a circle/);
  assert.match(said('  b: { ramp: { on: 60, off: 10 } }\n'), /"off" is the default/);
  assert.match(said('  b: { default: x }\n'), /:4: flags\.b\.default: "x" is not one of on, off/);
  assert.match(said('  b: { variants: { a: 1, b: two }, default: a }\n'), /number and string/);
  const many = { variants: { a: 1, b: 2, c: 3, d: 4 }, default: 'a', ramp: { b: 1, c: 1, d: 1 } };
  assert.match(flagMistakes({ f: many })[0]!.text, /at most 2 variants can grow/);
  const chain = Object.fromEntries(
    Array.from({ length: 7 }, (_, index) => [
      `f${index}`,
      { ...onOff, ...(index > 0 && { needs: [{ flag: `f${index - 1}`, is: true }] }) },
    ]),
  );
  assert.match(flagMistakes(chain)[0]!.text, /6 flags deep, at most 5/);
});

test('nobody may be left without a speech route, whatever a ramp or a list would give him', () => {
  const route = (name: string, type: SpeechRoute['type']): SpeechRoute => ({
    name,
    type,
    url: 'ws://x',
    via: 'direct',
  });
  const direct = route('direct', 'speechmatics');
  const modal = route('modal', 'modal-parakeet');
  const at = (ramp: number): FlagSet => ({
    SPEECHMATICS_DIRECT: { ...onOff, default: 'on', off: 'off', ramp: { off: ramp } },
  });
  assert.equal(withoutRoute([direct], at(1), []), 'SPEECHMATICS_DIRECT=false');
  assert.equal(withoutRoute([direct], at(0), []), undefined);
  assert.equal(withoutRoute([direct], at(0), ['SPEECHMATICS_DIRECT']), 'SPEECHMATICS_DIRECT=false');
  assert.equal(withoutRoute([direct, modal], at(100), []), undefined);
  assert.equal(withoutRoute([], at(100), []), undefined, 'an app without voice has none to lose');
});
