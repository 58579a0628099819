// The suite that every environment driver passes: what the controller may count on, whoever runs the release.
// A subject knows how to make a release that behaves in a given way, and how to end an instance from outside.
// What only one driver does stands in that driver's own test file.
import assert from 'node:assert/strict';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import type {
  EnvironmentDriver,
  HealthSpec,
  InstancePlan,
  PrepareProgress,
  PrepareResult,
  ReleaseSpec,
} from '../src/environment/environment-driver.ts';

/** What an app does when its health is asked: be right, say `r99`, answer 503, never answer. */
export type Behaviour = 'good' | 'wrong-release' | 'unhealthy' | 'hanging';

export type Subject = {
  /** A new driver over the same state folder, as after a restart of the controller. */
  driver(): EnvironmentDriver;
  spec(release: string, behaviour: Behaviour): Promise<ReleaseSpec>;
  /** Ends the instance behind the driver's back. */
  kill(plan: InstancePlan): Promise<void>;
  /** How often something was started (a process, a deploy) since the subject was opened. */
  starts(): number;
  /** How many processes that were started live. */
  alive(): Promise<number>;
};

export const quickHealth: HealthSpec = {
  path: '/api/health',
  release: '$.release',
  instance: '$.instance',
  intervalMs: 50,
  timeoutMs: 1000,
  readyMs: 15_000,
};

export function temporaryFolder(context: TestContext): string {
  const folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'crossfade-environment-')));
  context.after(() => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  return folder;
}

/** Looks until it finds something; fails after 15 s. */
export async function eventually<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > deadline) assert.fail(`not within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

export type Prepared = {
  readonly result: PrepareResult;
  readonly planned: readonly InstancePlan[];
  readonly activity: readonly string[];
};

export async function prepare(
  driver: EnvironmentDriver,
  spec: ReleaseSpec,
  more: {
    existing?: readonly InstancePlan[];
    signal?: AbortSignal;
    onRecord?: (it: PrepareProgress) => unknown;
  } = {},
): Promise<Prepared> {
  const planned: InstancePlan[] = [];
  const activity: string[] = [];
  const record = async (progress: PrepareProgress): Promise<void> => {
    if (progress.kind === 'instance-planned') planned.push(progress.plan);
    else activity.push(progress.text);
    await more.onRecord?.(progress);
  };
  const signal = more.signal ?? new AbortController().signal;
  const result = await driver.prepare({
    environment: 'blue',
    spec,
    existing: more.existing ?? [],
    record,
    signal,
  });
  return { result, planned, activity };
}

/** Prepares, expects success, and ends what was started when the test is over. */
export async function ready(
  context: TestContext,
  driver: EnvironmentDriver,
  spec: ReleaseSpec,
  existing: readonly InstancePlan[] = [],
): Promise<Prepared & { readonly plans: readonly InstancePlan[] }> {
  const prepared = await prepare(driver, spec, { existing });
  context.after(() => driver.stop(prepared.planned, 0));
  const { result } = prepared;
  if (result.kind !== 'ready') assert.fail(`${result.failure}: ${result.text}\n${result.logTail.join('\n')}`);
  return { ...prepared, plans: result.instances };
}

/** Prepares and expects one failure; returns its text and log lines. */
export function failedAs(
  result: PrepareResult,
  failure: string,
): { text: string; logTail: readonly string[] } {
  if (result.kind !== 'failed') assert.fail('it became ready');
  assert.equal(result.failure, failure, `${result.text}\n${result.logTail.join('\n')}`);
  return result;
}

type Case = (subject: Subject, context: TestContext) => Promise<void>;

const cases: Readonly<Record<string, Case>> = {
  'a good release becomes ready, is planned before, and proves itself': async (subject, context) => {
    const driver = subject.driver();
    const spec = await subject.spec('r1', 'good');
    const { result, plans, planned } = await ready(context, driver, spec);
    assert.deepEqual(result, { kind: 'ready', instances: planned, provenBy: 'health' });
    assert.equal(plans.length, 1);
    assert.deepEqual([plans[0]!.environment, plans[0]!.release], ['blue', 'r1']);
    const health = await driver.health(plans[0]!, spec);
    assert.equal(health.state, 'ready', health.text);
    assert.equal(health.nonce, plans[0]!.nonce);
    assert.ok(health.tookMs !== undefined && health.tookMs >= 0);
  },

  'preparing again, also after a restart of the controller, adopts what is there': async (
    subject,
    context,
  ) => {
    const spec = await subject.spec('r1', 'good');
    const first = await ready(context, subject.driver(), spec);
    const starts = subject.starts();
    for (const driver of [subject.driver(), subject.driver()]) {
      const again = await prepare(driver, spec, { existing: first.planned });
      assert.deepEqual(again.result, first.result);
      assert.deepEqual(again.planned, []);
    }
    assert.equal(subject.starts(), starts);
  },

  'a wrong release is refused, with both named': async (subject) => {
    const spec = await subject.spec('r2', 'wrong-release');
    const { result } = await prepare(subject.driver(), spec);
    assert.match(failedAs(result, 'wrong-release').text, /says release r99, expected r2/);
    assert.equal(await subject.alive(), 0);
  },

  'an answer without the value proves nothing': async (subject) => {
    const good = await subject.spec('r2', 'good');
    const spec = { ...good, health: { ...good.health, release: '$.version.release' } };
    const { result } = await prepare(subject.driver(), spec);
    assert.match(
      failedAs(result, 'wrong-release').text,
      /names no release at \$\.version\.release, expected r2/,
    );
    assert.equal(await subject.alive(), 0);
  },

  'a release proves itself by a header as well': async (subject, context) => {
    const good = await subject.spec('r1', 'good');
    const spec = { ...good, health: { ...good.health, release: 'header:X-Release' } };
    const { result } = await ready(context, subject.driver(), spec);
    assert.equal(result.kind === 'ready' && result.provenBy, 'header');
  },

  'a cancelled preparation ends at once and leaves nothing': async (subject) => {
    const spec = await subject.spec('r2', 'unhealthy');
    const control = new AbortController();
    const onRecord = (progress: PrepareProgress): void => {
      if (progress.kind === 'instance-planned') setTimeout(() => control.abort(), 100);
    };
    const { result } = await prepare(subject.driver(), spec, { signal: control.signal, onRecord });
    failedAs(result, 'cancelled');
    assert.equal(await subject.alive(), 0);
  },

  'a plan that cannot be recorded ends the preparation with nothing started': async (subject) => {
    const spec = await subject.spec('r2', 'good');
    const onRecord = (progress: PrepareProgress): void => {
      if (progress.kind === 'instance-planned') throw new Error('the journal is full');
    };
    await assert.rejects(prepare(subject.driver(), spec, { onRecord }), /the journal is full/);
    assert.equal(await subject.alive(), 0);
  },

  'an instance that ended from outside is dead': async (subject, context) => {
    const driver = subject.driver();
    const spec = await subject.spec('r1', 'good');
    const { plans } = await ready(context, driver, spec);
    await subject.kill(plans[0]!);
    assert.equal((await driver.health(plans[0]!, spec)).state, 'dead');
  },

  'an instance asked for another release than it is, is not ready': async (subject, context) => {
    const driver = subject.driver();
    const spec = await subject.spec('r1', 'good');
    const { plans } = await ready(context, driver, spec);
    const health = await driver.health(plans[0]!, {
      ...spec,
      health: { ...spec.health, release: '$.instance' },
    });
    assert.equal(health.state, 'unready', health.text);
  },

  'stopping twice, and stopping what never was, is the same as stopping once': async (subject, context) => {
    const driver = subject.driver();
    const spec = await subject.spec('r1', 'good');
    const { plans } = await ready(context, driver, spec);
    await driver.stop(plans, 5000);
    await driver.stop(plans, 5000);
    await subject.driver().stop([...plans, { ...plans[0]!, nonce: 'never-was' }], 5000);
    assert.equal(await subject.alive(), 0);
  },

  'tidying with nothing to keep leaves a live instance alone': async (subject, context) => {
    const driver = subject.driver();
    const spec = await subject.spec('r1', 'good');
    const { plans } = await ready(context, driver, spec);
    await driver.tidy(() => false);
    assert.equal((await driver.health(plans[0]!, spec)).state, 'ready');
  },

  'a release that is unhealthy is never ready, and says how it answered': (subject) =>
    neverReady(subject, 'unhealthy'),

  'a release that is hanging is never ready, and says how it answered': (subject) =>
    neverReady(subject, 'hanging'),
};

async function neverReady(subject: Subject, behaviour: 'unhealthy' | 'hanging'): Promise<void> {
  const good = await subject.spec('r2', behaviour);
  const spec = { ...good, health: { ...good.health, timeoutMs: 300, readyMs: 800 } };
  const { result } = await prepare(subject.driver(), spec);
  const { text } = failedAs(result, 'never-ready');
  assert.match(text, /not ready within 800 ms/);
  assert.match(text, behaviour === 'unhealthy' ? /answered 503/ : /did not answer within 300 ms/);
  assert.equal(await subject.alive(), 0);
}

/** Registers the suite for one driver; each case opens a subject of its own. */
export function environmentSuite(name: string, open: (context: TestContext) => Promise<Subject>): void {
  describe(name, () => {
    for (const [sentence, run] of Object.entries(cases)) {
      test(sentence, async (context) => run(await open(context), context));
    }
  });
}
