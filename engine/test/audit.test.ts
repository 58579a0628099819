// The audit where it matters: when somebody changes the record, when the controller was dead, when it cannot
// be written, when the disk is full.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { actorText } from '../src/api/audit.ts';
import { auditLines } from './access-shared.ts';
import { defaultConfig, Stage, until } from './stage.ts';

const longHolds = defaultConfig.replaceAll('hold: 2s', 'hold: 60s');

function change(stage: Stage, statement: string): void {
  const database = new DatabaseSync(join(stage.folder, '.crossfade', 'crossfade.db'), { timeout: 5_000 });
  database.exec(statement);
  database.close();
}

async function atHalf(stage: Stage): Promise<void> {
  await stage.must('deploy', 'full');
  await stage.change();
  await stage.must('deploy', 'canary', '50', '--no-wait');
  await stage.when((status) => status.rollout?.until !== undefined);
}

/** Until every one of forty people is answered by this release. */
async function allOn(stage: Stage, release: string): Promise<void> {
  await until(async () => {
    const keys = Array.from({ length: 40 }, (_, index) => `k${index}`);
    const answers = await Promise.all(keys.map((key) => stage.ask('/', { 'x-crossfade-key': key })));
    return answers.every((each) => each.release === release) ? true : undefined;
  });
}

test('a verb is a line with what was before and after, a refused one too, in two formats', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.cli('promote');
  await stage.cli('rollback', 'too = slow | or \\ so', 'r9');
  const [deployed, promoted, back] = (await auditLines(stage)).filter(({ action }) => action !== 'page-link');
  assert.equal(deployed!.outcome, 'allowed');
  assert.equal(deployed!.target, 'full');
  assert.deepEqual({ ...deployed!.before, position: 0 }, { position: 0, phase: 'none' });
  assert.equal(deployed!.after!['release'], 'r1');
  assert.ok(Number(deployed!.after!['position']) > Number(deployed!.before!['position']));
  assert.equal(promoted!.outcome, 'failed');
  assert.equal(promoted!.code, 'illegal-verb');
  assert.equal(back!.outcome, 'failed');
  assert.equal(back!.code, 'unknown-destination');
  const { stdout } = await stage.must('audit', 'export', '--format', 'cef');
  const lines = stdout.trim().split('\n');
  assert.match(lines.at(-1)!, /^CEF:0\|Crossfade\|crossfade\|0\.1\.0\|rollback\|rollback failed\|5\|rt=\d+ /);
  assert.match(
    lines.at(-1)!,
    / suser=operator@local act=rollback outcome=failed .*reason=too \\= slow \| or \\\\ so /,
  );
});

test('audit verify names the first row that was changed or taken out, in audit and journal', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  for (let turn = 0; turn < 4; turn++) await stage.cli('pause');
  const whole = await stage.must('audit', 'verify');
  assert.match(whole.stderr, /the audit is whole: 5 rows\n.*the journal is whole: \d+ rows/);
  change(stage, `UPDATE audit SET body = replace(body, '"failed"', '"allowed"') WHERE id = 5`);
  const changed = await stage.cli('audit', 'verify');
  assert.equal(changed.code, 1);
  assert.match(changed.stderr, /the audit is broken at row 5/);
  change(stage, `DELETE FROM audit WHERE id = 3; UPDATE events SET body = body || ' ' WHERE position = 2`);
  const cut = await stage.cli('audit', 'verify');
  assert.equal(cut.code, 1);
  assert.match(cut.stderr, /the audit is broken at row 4.*\n.*the journal is broken at row 2/);
});

test('a rollback that went to the gateway is in the audit once the controller is back, once', async () => {
  await using stage = await Stage.make(longHolds);
  await stage.up();
  await atHalf(stage);
  const pid = await stage.partPid('controller');
  process.kill(pid, 'SIGSTOP');
  const rollback = stage.cli('rollback', 'it hangs');
  await allOn(stage, 'r1');
  process.kill(pid, 'SIGKILL');
  await rollback;
  await stage.when(({ rollout, overrides }) => rollout?.phase === 'rolled-back' && overrides.length === 0);
  const again = await stage.partPid('controller');
  process.kill(again, 'SIGKILL');
  await stage.when((status) => status.pid !== again);
  const lines = (await auditLines(stage)).filter(({ actor }) => actor.via === 'gateway');
  assert.equal(lines.length, 1);
  const [line] = lines;
  assert.deepEqual([line!.action, line!.reason, line!.outcome], ['rollback', 'it hangs', 'allowed']);
  assert.equal(actorText(line!.actor), 'operator@local');
  assert.match(line!.target!, /^r1 in /);
});

test('an audit that cannot be written stops no rollback; its line comes later, in its place', async () => {
  await using stage = await Stage.make(longHolds);
  await stage.up();
  await atHalf(stage);
  const full = `SELECT RAISE(ABORT, 'database or disk is full')`;
  change(stage, `CREATE TRIGGER no_room BEFORE INSERT ON audit BEGIN ${full}; END`);
  await stage.must('rollback', 'while the audit is full');
  assert.equal((await stage.status()).rollout?.phase, 'rolled-back');
  const listed = await stage.must('audit');
  // Two where the gateway was asked as well, because the controller took its time.
  assert.match(listed.stderr, /[12] lines could not be written yet and stand in .*controller\.log/);
  assert.match(stage.read('.crossfade/logs/controller.log'), /"while the audit is full".*audit-not-written/);
  change(stage, 'DROP TRIGGER no_room');
  const line = await until(async () =>
    (await auditLines(stage)).find(({ reason }) => reason === 'while the audit is full'),
  );
  assert.equal(line.outcome, 'allowed');
  await stage.must('audit', 'verify');
});

test('on a full disk a rollback goes through the gateway, and says that it is not written', async (t) => {
  const stage = await Stage.make(longHolds);
  const state = join(stage.folder, '.crossfade');
  await stage.run('mkdir', ['-m', '700', state]);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=6m,mode=700', 'crossfade-test', state]);
  try {
    if (mounted.status !== 0) return t.skip('only root may mount a small file system');
    await stage.up();
    await atHalf(stage);
    const { position } = await stage.status();
    spawnSync('dd', ['if=/dev/zero', `of=${join(state, 'filler')}`, 'bs=4k'], { stdio: 'ignore' });
    // Not a byte is left in any block that is open: the journal cannot grow.
    const result = await stage.cli('rollback', 'the disk is full');
    await allOn(stage, 'r1');
    t.diagnostic(`${result.code}: ${result.stderr}`);
    assert.match(result.stderr, /going to the gateway itself[^]*done in \d+ ms/);
    await stage.run('rm', [join(state, 'filler')]);
    writeFileSync(join(state, 'room'), 'again');
    const after = await stage.when(
      ({ rollout, overrides }) => rollout?.phase === 'rolled-back' && overrides.length === 0,
    );
    assert.ok(after.position > position, 'nothing acknowledged is lost');
    const verified = await stage.must('audit', 'verify');
    assert.match(verified.stderr, /the journal is whole/);
    const told = (await auditLines(stage)).find(({ reason }) => reason === 'the disk is full');
    assert.equal(told?.actor.via, 'gateway');
  } finally {
    if (mounted.status === 0) {
      await stage.cli('down');
      spawnSync('umount', ['-l', state]);
    }
    await stage[Symbol.asyncDispose]();
  }
});
