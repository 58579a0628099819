// Every planted defect is found by the check that is named for it, an app that is as it should be passes all,
// and no check passes with the app switched off.
import { after, test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checksOf } from '../src/validate/all-checks.ts';
import { suites } from '../src/api/suites.ts';
import { runChecks, type Finding, type World } from '../src/validate/check.ts';
import type { Report } from '../src/validate/reporters.ts';
import { secretIn } from '../src/validate/served-checks.ts';
import { Site } from '../src/validate/site.ts';
import { crossfade } from './backup-app.ts';
import { defects, signedIn, vendorKey, type Defect } from './planted-defects.ts';
import { startValidatedApp, type ValidatedApp } from './validated-app.ts';

/** As where none of playwright's own browsers is; the test says so where there are some. */
const notHere = (name: string): string =>
  `browser.${name}: no ${name} is installed here: npx playwright-core install ${name}`;
const noBrowser = existsSync('/usr/bin/chromium') ? false : 'chromium is not installed';
const app = await startValidatedApp();
after(() => app[Symbol.asyncDispose]());
const all = checksOf(suites);
let run = 0;

/** As the CLI makes it. The page's limit is low, so that a slow page need not be very slow. */
function world({ origin }: ValidatedApp = app): World {
  return {
    site: new Site(new URL(origin), ['/']),
    release: 'r7',
    healthPath: '/api/health',
    releaseField: '$.release',
    token: { path: '/api/token', headers: { ...signedIn, 'x-run': String(run++) } },
    webSocketPath: '/socket',
    secrets: { SPEECHMATICS_API_KEY: vendorKey },
    limits: { responseMs: 3_000, errorShare: 0.05, pageLoadMs: 1_500 },
  };
}

async function found(planted: readonly Defect[], ids: readonly string[]): Promise<Finding[]> {
  await using own = await startValidatedApp();
  own.defects = new Set(planted);
  return await runChecks(
    all.filter(({ id }) => ids.includes(id)),
    world(own),
  );
}

const together: readonly (readonly Defect[])[] = [
  [
    'the page jumps',
    'a request fails',
    'an image without words',
    'a console error',
    'keys are answered late',
  ],
  ['content comes late', 'slow page', 'an exception', 'policy forbids the microphone'],
];
/** Those of the page stand above, those of TLS in `validate-tls.test.ts`, the comparison below. */
const elsewhere = new Set<Defect>([
  ...together.flat(),
  'cookie without Secure',
  'browsers may leave https',
  'answers a little late',
]);
const alone = (Object.keys(defects) as Defect[]).filter((defect) => !elsewhere.has(defect));

test('each planted defect is found by the check that is named for it', { concurrency: 8 }, async (t) => {
  assert.ok(Object.keys(defects).length >= 40, `${Object.keys(defects).length} defects`);
  const tried = alone.map((defect) =>
    t.test(defect, async () => {
      const [finding] = await found([defect], [defects[defect]]);
      assert.equal(finding?.verdict, 'fail', JSON.stringify(finding));
      assert.equal(
        secretIn(JSON.stringify(finding), { vendorKey }),
        undefined,
        'a secret is named, not shown',
      );
    }),
  );
  await Promise.all(tried);
});

test('what is too large to be looked at whole is no pass, and media are no text', async () => {
  const types = new Map([
    ['/film.mp4', 'video/mp4'],
    ['/large.js', 'text/javascript'],
  ]);
  for (const [path, type] of types) {
    const server = createServer(({ url }, response) => {
      const isPage = url !== path;
      response.setHeader('content-type', isPage ? 'text/html' : type);
      response.end(isPage ? `<a href="${path}">it</a>` : Buffer.alloc(17 * 1024 * 1024, 'x'));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const site = new Site(new URL(`http://127.0.0.1:${port}`), ['/']);
    const wanted = all.filter(({ id }) => id === 'security.secret-values');
    const [finding] = await runChecks(wanted, { ...world(), site });
    server.closeAllConnections();
    server.close();
    assert.equal(finding?.verdict, type === 'video/mp4' ? 'pass' : 'inconclusive', JSON.stringify(finding));
    if (type !== 'video/mp4') assert.match(finding.measured, /only 16 MiB of \/large\.js/);
  }
});

test('each defect of the page is found in a real browser', { skip: noBrowser }, async () => {
  for (const planted of together) {
    const findings = await found(
      planted,
      planted.map((each) => defects[each]),
    );
    for (const each of findings) assert.equal(each.verdict, 'fail', JSON.stringify(each));
    assert.equal(findings.length, planted.length);
  }
});

function project(): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-validate-'));
  const token = 'token: { path: /api/token, headers: { authorization: { env: PERSON } } }';
  writeFileSync(
    join(folder, 'crossfade.yaml'),
    `service: voice\napp: { start: node ., env: { file: .env } }\nvalidate: { ${token}, websocket: /socket }\n`,
  );
  writeFileSync(join(folder, '.env'), `SPEECHMATICS_API_KEY=${vendorKey}\n`);
  writeFileSync(join(folder, '.gitignore'), '.env\n.crossfade/\n');
  writeFileSync(join(folder, 'package.json'), '{"name":"voice","version":"1.0.0"}\n');
  const lock = {
    name: 'voice',
    version: '1.0.0',
    lockfileVersion: 3,
    packages: { '': { name: 'voice', version: '1.0.0' } },
  };
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify(lock));
  for (const args of [
    ['init', '-q'],
    ['add', '-A'],
  ])
    execFileSync('git', args, { cwd: folder });
  return { folder, remove: () => rmSync(folder, { recursive: true }) };
}

test(
  'an app that is as it should be passes every check, and every reporter says so',
  { skip: noBrowser },
  async () => {
    const { folder, remove } = project();
    const names = ['json', 'junit', 'sarif', 'tap', 'markdown', 'github'];
    const outputs = ['pretty', ...names.map((name) => `${name}=${name}.txt`)].join(',');
    const args = ['validate', app.origin, '--release', 'r7', '--reporter', outputs];
    const summary = join(folder, 'summary.md');
    const env = { PERSON: signedIn.authorization, GITHUB_STEP_SUMMARY: summary };
    const { code, stdout, stderr } = await crossfade(args, { cwd: folder, env });
    const read = (name: string): string => readFileSync(join(folder, `${name}.txt`), 'utf8');
    const { findings } = JSON.parse(read('json')) as Report;
    const notPassed = findings
      .filter(({ verdict }) => verdict !== 'pass')
      .map(({ id, measured }) => `${id}: ${measured}`);
    assert.deepEqual(notPassed, [
      'security.hsts: plain http',
      'security.certificate: plain http',
      'security.https: this machine',
      'security.upgrade: plain http',
      'performance.compared: there is nothing to compare it with: --environment beside a stable side',
      ...['firefox', 'webkit'].map(notHere),
      ...['plan', 'words', 'first-text', 'whole'].map(
        (name) => `speech.${name}: validate.speech in crossfade.yaml names no plan`,
      ),
    ]);
    assert.equal(code, 0, stdout + stderr);
    assert.equal(findings.length, all.length);
    assert.match(stdout, /pass +health\.release +r7, expected r7/);
    assert.match(read('junit'), new RegExp(`<testsuite name="health" tests="6" failures="0"`));
    assert.match(
      read('tap'),
      new RegExp(`^TAP version 14\\n1\\.\\.${all.length}\\nok 1 - health\\.reachable\\n`),
    );
    assert.deepEqual((JSON.parse(read('sarif')) as { runs: { results: unknown[] }[] }).runs[0]!.results, []);
    assert.match(readFileSync(summary, 'utf8'), /0 failed/);
    remove();
  },
);

test('no check passes with the app switched off, and 1 is the end', async () => {
  const { folder, remove } = project();
  const gone = await startValidatedApp();
  const { origin } = gone;
  await gone[Symbol.asyncDispose]();
  const env = { PERSON: signedIn.authorization };
  const { code, stdout } = await crossfade(['validate', origin, '--release', 'r7', '--json'], {
    cwd: folder,
    env,
  });
  const { findings } = JSON.parse(stdout) as Report;
  // What stands in the folder is there with or without the app.
  const passed = findings.filter(({ suite, verdict }) => suite !== 'config' && verdict === 'pass');
  assert.deepEqual(
    passed.map(({ id }) => id),
    [],
  );
  assert.equal(findings.find(({ id }) => id === 'health.reachable')?.verdict, 'fail');
  assert.equal(code, 1);
  remove();
});

test('failures stand in each report, worst first, ten on GitHub', async () => {
  app.defects = new Set<Defect>([
    'no policy',
    'types are guessed',
    'others may frame it',
    'referrer leaks',
    'CORS echoes any origin',
    'microphone for everybody',
    'names its framework',
    'cookie for scripts',
    'redirects anywhere',
    'echoes the query',
    'public key name',
    'an AWS key',
    'folder is listed',
  ]);
  const outputs = ['junit', 'sarif', 'tap', 'markdown', 'github'];
  for (const name of outputs) {
    const args = ['validate', app.origin, '--suite', 'security', '--reporter', name];
    const { code, stdout } = await crossfade(args, { cwd: tmpdir() });
    assert.equal(code, 1);
    assert.match(stdout, /security\.cors/);
    if (name === 'github') {
      assert.match(stdout, /^::error title=security\.cors::GET \/: access-control-allow-origin/);
      assert.equal(stdout.match(/^::error /gm)?.length, 10);
      assert.match(stdout, /, 1[1-9] failed, /);
    }
    if (name === 'tap') assert.match(stdout, /not ok \d+ - security\.csp\n +---\n +verdict: fail/);
    if (name === 'junit')
      assert.match(stdout, /<failure message="GET \/: access-control[^"]*" type="critical">/);
    if (name === 'sarif') {
      const { runs } = JSON.parse(stdout) as { runs: { results: { ruleId: string; level: string }[] }[] };
      assert.deepEqual(
        { ...runs[0]!.results[0], message: 0, locations: 0, partialFingerprints: 0 },
        { ruleId: 'security.cors', level: 'error', message: 0, locations: 0, partialFingerprints: 0 },
      );
    }
  }
  app.defects = new Set();
});

test('what is asked for and is not there is refused with what there is', async () => {
  const here = { cwd: tmpdir() };
  for (const [args, text] of [
    [['validate'], /no address and no crossfade\.yaml/],
    [['validate', 'voice'], /"voice" is not an address/],
    [['validate', app.origin, '--suite', 'helth'], /no suite "helth"\n.*health, api/],
    [['validate', app.origin, '--reporter', 'xml'], /no reporter "xml"\n.*junit/],
  ] as const) {
    const { code, stderr } = await crossfade(args, here);
    assert.equal(code, 2);
    assert.match(stderr, text);
  }
});

test('secrets in git and public names of secrets are found in the folder', async () => {
  const { folder, remove } = project();
  const findingOf = async (id: string): Promise<Finding> =>
    (
      await runChecks(
        all.filter((each) => each.id === id),
        { ...world(), folder },
      )
    )[0]!;
  assert.equal((await findingOf('config.no-secret-files')).verdict, 'pass');
  execFileSync('git', ['add', '-f', '.env'], { cwd: folder });
  assert.match((await findingOf('config.no-secret-files')).measured, /^\.env$/);
  assert.equal((await findingOf('config.state-ignored')).verdict, 'pass');
  mkdirSync(join(folder, '.crossfade'));
  writeFileSync(join(folder, '.crossfade/token'), 'x\n');
  execFileSync('git', ['add', '-f', '.crossfade'], { cwd: folder });
  assert.equal((await findingOf('config.state-ignored')).measured, '.crossfade/token');
  writeFileSync(join(folder, '.env.local'), 'EXPO_PUBLIC_SPEECHMATICS_API_KEY=1\n');
  assert.match((await findingOf('config.public-variables')).measured, /EXPO_PUBLIC_SPEECHMATICS_API_KEY/);
  execFileSync('git', ['rm', '-q', '--cached', 'package-lock.json'], { cwd: folder });
  assert.match((await findingOf('config.lockfile')).measured, /is not in git/);
  writeFileSync(
    join(folder, 'package.json'),
    '{"name":"voice","version":"1.0.0","dependencies":{"zod":"4.6.7"}}\n',
  );
  const audit = await findingOf('config.audit');
  assert.ok(audit.verdict !== 'pass' || /0 critical, 0 high/.test(audit.measured), JSON.stringify(audit));
  remove();
});
