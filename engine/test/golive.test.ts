// The checklists as people meet them: preflight says pass, fail or unknown with a reason, a go-live is
// refused without signatures, goes through with them, is taken up again after its process ended, and goes
// back when what it validates at 100 % fails; cleanup waits for the bake. GitHub, LiveKit and Slack are local
// servers.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { jwtVerify } from 'jose';
import { defaultConfig, Stage, type CliResult } from './stage.ts';

const lines = ['stakeholder', 'communication', 'risk', 'criteria', 'schedule'] as const;
const tests = "preflight: { tests: ['npm test', 'npm run test:integration'] }";
const looks = 'validate: { suites: [health] }';

function packageFile(test: string): string {
  return JSON.stringify({ name: 'app', scripts: { test, start: 'node server.mjs' } });
}

async function ready(config = defaultConfig, files: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const stage = await Stage.make(`${config}\n${tests}\n${looks}\n`);
  try {
    for (const [path, text] of Object.entries({ 'package.json': packageFile('true'), ...files }))
      stage.write(path, text);
    await stage.commit('with a test');
    await stage.up();
    await stage.must('deploy', 'full');
    return stage;
  } catch (error) {
    await stage[Symbol.asyncDispose]();
    throw error;
  }
}

type Line = { readonly line: string; readonly verdict: string; readonly text: string };

function linesOf({ stdout }: CliResult): Map<string, Line> {
  const { lines: found } = JSON.parse(stdout) as { lines: readonly Line[] };
  return new Map(found.map((each) => [each.line, each]));
}

async function sign(stage: Stage): Promise<void> {
  for (const line of lines) await stage.must('signoff', line, 'agreed', '--by', 'Ada Lovelace');
}

async function prove(stage: Stage): Promise<void> {
  await stage.must('backup', 'create');
  await stage.must('backup', 'verify');
  await stage.must('drill', 'rollback');
}

test('preflight finds what is missing, passes what is there, and says what it cannot know', async () => {
  await using stage = await ready();
  const before = await stage.cli('preflight', '--json');
  assert.equal(before.code, 1, before.stderr);
  const first = linesOf(before);
  const verdicts = (of: Map<string, Line>): Record<string, string> =>
    Object.fromEntries([...of].map(([line, { verdict }]) => [line, verdict]));
  assert.deepEqual(verdicts(first), {
    service: 'pass',
    backup: 'fail',
    rollback: 'fail',
    'speechmatics-key': 'pass',
    test: 'pass',
    'test:integration': 'unknown',
    audit: 'unknown',
    secrets: 'pass',
    dependencies: 'pass',
    workflow: 'unknown',
    livekit: 'pass',
    'github-secrets': 'unknown',
    slack: 'unknown',
    digest: 'unknown',
  });
  assert.match(first.get('test:integration')!.text, /package\.json has no script "test:integration"/);

  await prove(stage);
  stage.write('app.ts', 'const key = process.env.EXPO_PUBLIC_SPEECHMATICS_API_KEY;\n');
  stage.write('package.json', packageFile('exit 3'));
  const after = await stage.cli('preflight', '--skip', 'audit');
  assert.match(after.stdout, /pass +backup +\S+ was verified; made \d+ s ago, limit 24 h/);
  assert.match(after.stdout, /pass +rollback +rehearsed \d+ s ago \(rollout \d+\) in \d+ ms, limit 7 d/);
  assert.match(
    after.stdout,
    /fail +speechmatics-key +a build would ship it: app\.ts:1:EXPO_PUBLIC_SPEECHMATICS_API_KEY\n +→ put/,
  );
  assert.match(
    after.stdout,
    /fail +test +`npm test` ended with \d+ after \S+ s; see \.crossfade\/logs\/preflight-test\.log/,
  );
  assert.match(after.stdout, /unknown audit +left out, as asked/);
  assert.equal((await stage.cli('preflight', '--skip', 'tea')).code, 2);
});

/** LiveKit, GitHub and Slack as far as a preflight asks them; `isGood` says what they answer. */
class Outside implements AsyncDisposable {
  isGood = true;
  readonly taken: { readonly url: string; readonly body: string }[] = [];
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async start(): Promise<Outside> {
    const outside = new Outside();
    outside.#server.listen(0, '127.0.0.1');
    await once(outside.#server, 'listening');
    return outside;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const url = request.url!;
    this.taken.push({ url, body });
    const bearer = request.headers.authorization?.replace('Bearer ', '') ?? '';
    if (url.startsWith('/twirp/livekit.RoomService/ListRooms')) {
      response.writeHead((await this.#mayListRooms(bearer)) ? 200 : 401).end('{"rooms":[]}');
    } else if (/^\/repos\/ann\/app\/.*secrets\?/.test(url)) {
      // The job that reads it has no environment: only a secret of the repository helps.
      const hasIt = url.includes(this.isGood ? '/actions/secrets' : '/environments/production/');
      const secrets = hasIt ? [{ name: 'SLACK_WEBHOOK_URL' }] : [];
      response.writeHead(bearer === 'github-token' ? 200 : 403).end(JSON.stringify({ secrets }));
    } else response.writeHead(this.isGood ? 200 : 404).end('ok');
  }

  async #mayListRooms(token: string): Promise<boolean> {
    const secret = new TextEncoder().encode(this.isGood ? 'livekit-secret' : 'another');
    const seen = await jwtVerify(token, secret, { issuer: 'livekit-key' }).catch(() => undefined);
    return (seen?.payload['video'] as { roomList?: boolean } | undefined)?.roomList === true;
  }
}

test('LiveKit, GitHub and Slack are asked in their own protocols, and a refusal is no pass', async () => {
  await using outside = await Outside.start();
  const { origin } = outside;
  const config = defaultConfig.replace('app: {', 'app: { env: { file: app.env },');
  const url = origin.replace('http', 'ws');
  const liveKit = `LIVEKIT_URL=${url}\nLIVEKIT_API_KEY=livekit-key\nLIVEKIT_API_SECRET=livekit-secret\n`;
  await using stage = await ready(config, { 'app.env': liveKit });
  await stage.must('workflow', 'generate');
  const variables = {
    GITHUB_TOKEN: 'github-token',
    GITHUB_REPOSITORY: 'ann/app',
    GITHUB_API_URL: origin,
    SLACK_WEBHOOK_URL: `${origin}/hook/secret-part`,
  };
  const ask = async (more = {}): Promise<Map<string, Line>> => {
    const words = Object.entries({ ...variables, ...more }).map(([name, value]) => `${name}=${value}`);
    const bin = new URL('../bin/crossfade.mjs', import.meta.url).pathname;
    const args = [...words, process.execPath, bin, 'preflight', '--json', '--skip', 'audit,test'];
    return linesOf(await stage.run('env', args, false));
  };
  const good = await ask();
  for (const line of ['livekit', 'github-secrets', 'slack', 'workflow'])
    assert.equal(good.get(line)!.verdict, 'pass', good.get(line)!.text);
  assert.match(outside.taken.find(({ url: asked }) => asked.startsWith('/hook'))!.body, /test message/);
  outside.isGood = false;
  const bad = await ask();
  for (const line of ['livekit', 'github-secrets', 'slack'])
    assert.equal(bad.get(line)!.verdict, 'fail', bad.get(line)!.text);
  const barred = await ask({ GITHUB_TOKEN: 'other' });
  assert.equal(barred.get('github-secrets')!.verdict, 'unknown');
  assert.equal(JSON.stringify([...bad.values()]).includes('secret-part'), false);
});

test('a go-live needs signatures, is taken up where it is, and ends with a report', async () => {
  await using stage = await ready(
    `${defaultConfig.replace('bake: 2s', 'bake: 4s').replace('standby: 60s', 'standby: 1s')}notify: { digest: 1s }\n`,
  );
  await prove(stage);
  await stage.change();
  const skip = ['--skip', 'audit'];
  const early = await stage.cli('golive', 'full', ...skip);
  assert.equal(early.code, 5);
  assert.match(early.stderr, /no go-live yet: stakeholder is not signed, .*schedule is not signed/);
  assert.match((await stage.cli('signoff', 'risk')).stderr, /a line is signed by a person, by name/);
  await sign(stage);
  const shown = await stage.cli('signoff');
  assert.equal(shown.code, 0, shown.stdout);
  assert.match(shown.stdout, /pass +risk +Ada Lovelace, \d{4}-\d\d-\d\d: agreed/);
  await stage.must('signoff', 'risk', '--withdraw');
  assert.equal((await stage.cli('signoff')).code, 5);
  await stage.must('signoff', 'risk', 'again', '--by', 'Ada Lovelace');

  const dry = await stage.must('golive', 'full', '--dry-run');
  assert.match(dry.stderr, /preflight: as found \d+ min ago for this commit/);
  assert.match(dry.stdout, /move traffic: 100 %[^]*validate it at 100 %[^]*bake, then report/);
  assert.equal((await stage.status()).rollout!.release, 'r2');

  const left = await stage.must('golive', 'full', '--no-wait');
  assert.match(left.stderr, /the bake goes on by itself/);
  const again = await stage.cli('golive');
  assert.equal(again.code, 0, again.stdout + again.stderr);
  assert.match(again.stderr, /going on with the go-live, rollout \d+/);
  assert.match(again.stderr, /bake of r3, \d+ s left: .*guards: /);
  assert.match(again.stdout, /# Go-live of r3: completed[^]*- risk: Ada Lovelace, again[^]*- pass backup:/);
  assert.match(again.stdout, /Validation passed[^]*## Figures of the last 7 days/);
  const { goLive } = await stage.client.readiness();
  assert.ok(existsSync(join(stage.folder, '.crossfade/golive', `${goLive!.rollout}.md`)));
  assert.equal((await stage.cli('signoff')).code, 5, 'signatures are used up');

  const dryCleanup = await stage.must('cleanup');
  assert.match(
    dryCleanup.stdout,
    /pass +deprecated +nothing to remove\n.*backups +nothing to remove\n.*worktrees/,
  );
});

test('by break-glass it goes without signatures; what fails at 100 % goes back and is reported', async () => {
  await using stage = await ready(`${defaultConfig.replace('bake: 2s', 'bake: 1m')}`);
  await stage.change();
  const config = stage.read('crossfade.yaml');
  // A health answer that nobody gives: what is looked at after the deploy cannot pass.
  stage.write('crossfade.yaml', config.replace(looks, 'validate: { suites: [api], websocket: /no-socket }'));
  await stage.commit('another look');
  const glass = ['--break-glass', 'the vendor ends today', '--skip', 'audit,test'];
  const done = await stage.cli('golive', 'full', ...glass);
  assert.equal(done.code, 1, done.stdout + done.stderr);
  assert.match(done.stdout, /# Go-live of r2: rolled-back[^]*Begun by break-glass: the vendor ends today/);
  assert.match(
    done.stdout,
    /- risk: NOT signed[^]*Validation FAILED[^]*## Rolled back\nBy operator: the validation/,
  );
  assert.equal((await stage.status()).environments.find(({ role }) => role === 'stable')!.release, 'r1');
  const busy = await stage.cli('deploy', 'canary', '10', '--no-wait');
  assert.equal(busy.code, 0, busy.stderr);
  const refused = await stage.cli('cleanup');
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /it may still go back/);
});
