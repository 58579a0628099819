// Wall time as the controller writes it, while the system's clock jumps.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { SteadyClock } from './steady-clock.ts';

const hour = 3_600_000;

function system() {
  const state = { wallMs: 1_700_000_000_000, monotonicMs: 5_000 };
  const clock = {
    now: () => state.wallMs,
    monotonic: () => state.monotonicMs,
    timer: () => ({ cancel() {} }),
  };
  const pass = (ms: number): void => {
    state.wallMs += ms;
    state.monotonicMs += ms;
  };
  return { clock, pass, jump: (ms: number) => void (state.wallMs += ms) };
}

test('an hour back changes nothing, and the way forward again gives the lead up', () => {
  const { clock, pass, jump } = system();
  const steady = new SteadyClock(clock, 0);
  const begun = steady.now();
  pass(10_000);
  jump(-hour);
  assert.equal(steady.now(), begun + 10_000);
  pass(5_000);
  assert.equal(steady.now(), begun + 15_000);
  jump(hour);
  assert.equal(steady.now(), begun + 15_000);
  assert.equal(steady.now(), clock.now());
});

test('a controller that starts under a clock that was set back goes on from its newest record', () => {
  const { clock } = system();
  assert.equal(new SteadyClock(clock, clock.now() + hour).now(), clock.now() + hour);
  assert.equal(
    new SteadyClock(clock, clock.now() + 400 * 24 * hour).now(),
    clock.now(),
    'a wrong record is not believed',
  );
});

test('whatever the system does, time never goes back and never stands still for long', () => {
  const step = fc.record({
    passMs: fc.integer({ min: 0, max: 60_000 }),
    jumpMs: fc.constantFrom(0, 0, 500, -500, hour, -hour),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { clock, pass, jump } = system();
      const steady = new SteadyClock(clock, 0);
      let before = steady.now();
      for (const { passMs, jumpMs } of steps) {
        pass(passMs);
        jump(jumpMs);
        const now = steady.now();
        assert.ok(now - before >= passMs - 1_000, `${passMs} ms passed, ${now - before} ms were counted`);
        before = now;
      }
    }),
  );
});
