// What is kept and for how long, through a real `up`: values and logs of releases that nobody needs go, what
// serves and what a rollback needs stays, the journal is folded and its chain still holds, and little room on
// the disk is said.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { parseConfig } from '../src/config.ts';
import { Housekeeping, releasesToKeep } from '../src/controller/housekeeping.ts';
import { archiveBrokenAt } from '../src/controller/journal-archive.ts';
import { SqliteJournal } from '../src/controller/journal-sqlite.ts';
import { SealedFiles } from '../src/controller/sealed-files.ts';
import { nodeHost } from '../src/host-node.ts';
import type { Release } from '../src/rollout/release.ts';
import { initialState } from '../src/rollout/rollout.ts';
import { makeReleaseStage, printed, releaseConfig } from './release-stage.ts';

const { files } = nodeHost();
const configText = 'service: voice\napp: { start: node . }\nretention: { releases: 2, diskLow: 1B }\n';
const rest = 'retention: { releases: 2, logs: 1h, journal: 1ms, diskLow: 1000000GiB }';

test('what retention does not name is removed, folded or kept, and a low disk is said', async () => {
  await using stage = await makeReleaseStage(releaseConfig(', env: { file: .env }', rest), 'TURN=1\n');
  const state = join(stage.folder, '.crossfade');
  await stage.up();
  await stage.must('deploy', 'full');
  for (const turn of [2, 3, 4]) {
    stage.write('.env', `TURN=${turn}\n`);
    await stage.must('releases', '--create');
  }
  const old = ['green-r2-abc.log', 'blue-r1-abc.log.1', 'controller.log.3'].map((name) => `logs/${name}`);
  const young = ['logs/green-r3-abc.log.1', 'logs/green-r4-abc.log'];
  for (const name of [...old, ...young]) writeFileSync(join(state, name), 'x');
  const hoursAgo = Date.now() / 1000 - 7200;
  for (const name of [...old, young[1]!]) utimesSync(join(state, name), hoursAgo, hoursAgo);
  await stage.must('down');
  await stage.up();

  const { warnings } = await stage.when((status) => status.warnings.length > 0);
  assert.match(warnings.join(), /GiB are free where \.crossfade is, less than retention\.diskLow/);
  assert.match((await stage.must('status')).stdout, /warning .*retention\.diskLow/);
  assert.match(
    (await stage.cli('doctor')).stdout,
    /fail +disk +\d+ MiB are free, less than retention\.diskLow/,
  );
  assert.match(readFileSync(join(state, 'logs/controller.log'), 'utf8'), /"msg":"disk-low"/);
  assert.deepEqual(readdirSync(join(state, 'sealed')).sort(), ['r1', 'r3', 'r4'], 'r1 serves');
  assert.deepEqual(
    old.filter((name) => existsSync(join(state, name))),
    [],
  );
  assert.deepEqual(
    young.filter((name) => !existsSync(join(state, name))),
    [],
  );

  assert.equal((await printed(stage)).env['TURN'], '1');
  assert.equal((await stage.client.releases()).length, 4, 'the state stands in the snapshot');
  await stage.must('deploy', 'full', '--release', 'r4');
  assert.equal((await printed(stage)).env['TURN'], '4');
  await stage.must('down');
  await stage.up();
  await stage.when((status) => status.warnings.length > 0);
  await stage.must('down');
  const archive = join(state, 'archive');
  assert.equal(readdirSync(archive).length, 2, 'folded twice');
  const journal = await SqliteJournal.open(join(state, 'crossfade.db'));
  const anchor = (await journal.first())!;
  assert.ok(anchor.position > 10);
  assert.equal(await journal.brokenAt(), undefined);
  assert.equal(archiveBrokenAt(files, archive, anchor), undefined, 'one chain across both cuts');
  await journal.close();

  const [first, second] = readdirSync(archive)
    .sort()
    .map((name) => join(archive, name));
  const rows = gunzipSync(readFileSync(first!)).toString();
  writeFileSync(
    first!,
    gzipSync(rows.replace('"at":', '"at": ').replace('TURN', 'TURM').replace('r1', 'r7')),
  );
  assert.ok(archiveBrokenAt(files, archive, anchor)! < anchor.position, 'a changed row');
  writeFileSync(first!, gzipSync(rows));
  writeFileSync(second!, 'torn');
  assert.equal(archiveBrokenAt(files, archive, anchor), rows.split('\n').length, 'a torn archive');
});

test('the last good release is kept however many came after it', () => {
  const releases = Array.from({ length: 20 }, (_, index) => ({ id: `r${index + 1}` }) as Release);
  const state = {
    ...initialState('voice'),
    releases,
    stableHistory: ['r1', 'r2', 'r3', 'r4'],
    rolledBackFrom: ['r3', 'r4'],
  };
  assert.deepEqual([...releasesToKeep(state, 2)].sort(), ['r19', 'r2', 'r20']);
  const blue = { ...state.environments.blue, role: 'stable' as const, release: 'r2' };
  const serving = { ...state, environments: { ...state.environments, blue } };
  assert.deepEqual([...releasesToKeep(serving, 2)].sort(), ['r1', 'r19', 'r2', 'r20'], 'and the one before');
});

test('a release that is made while old ones are removed keeps its values', async (t) => {
  const stateFolder = mkdtempSync(join(tmpdir(), 'crossfade-retention-'));
  t.after(() => rmSync(stateFolder, { recursive: true, force: true }));
  const host = nodeHost();
  const sealed = new SealedFiles(host, stateFolder, () => undefined);
  const release = (id: string): Release =>
    ({ id, identity: id, source: { kind: 'folder', path: '/' } }) as Release;
  const controller = { state: initialState('voice'), snapshot: async () => 0 };
  const made = (id: string): void => {
    sealed.seal(release(id), { env: {}, relay: {} });
    controller.state = { ...controller.state, releases: [...controller.state.releases, release(id)] };
  };
  for (const id of ['r1', 'r2', 'r3']) made(id);
  const troubles: unknown[] = [];
  const housekeeping = new Housekeeping({
    ...{ host, stateFolder, sealed, controller },
    config: () => parseConfig(configText, 'crossfade.yaml'),
    journal: { foldable: async () => [], cut: async () => undefined },
    usage: { forget: async () => undefined },
    tidyFolders: async () => made('r4'),
    log: (event, fields) => void troubles.push(event, fields),
  });
  await housekeeping.look();
  assert.deepEqual(troubles, []);
  assert.deepEqual(readdirSync(join(stateFolder, 'sealed')).sort(), ['r3', 'r4']);
});
