// CI without a stored token: a job's OIDC token opens a short session, once, for the repository and ref that
// crossfade.yaml names; everything else is refused and leaves a line.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { askControl, auditLines, bearer } from './access-shared.ts';
import { cliInJob, startGithubIssuer, type GithubIssuer } from './github-issuer.ts';
import { Stage } from './stage.ts';

async function stageWith(issuer: GithubIssuer, rule = ''): Promise<Stage> {
  const stage = await Stage.make();
  const who = `issuer: "${issuer.url}", repositoryId: "42", refs: [refs/heads/main]${rule}`;
  stage.write('crossfade.yaml', `${stage.read('crossfade.yaml')}access: { workloads: [{ ${who} }] }\n`);
  await stage.commit('CI is let in');
  await stage.up();
  return stage;
}

function login(stage: Stage, token: string) {
  return askControl(stage, { method: 'POST', path: '/login/workload', body: JSON.stringify({ token }) });
}

test('a job deploys with no stored token, logs in once, and is named in the audit', async () => {
  await using issuer = await startGithubIssuer();
  await using stage = await stageWith(issuer, ', scope: [deploy, releases]');
  const url = `http://127.0.0.1:${stage.controlPort}`;
  const job = (...args: string[]) => cliInJob(stage, { ...issuer.jobEnv, CROSSFADE_URL: url }, ...args);
  const deployed = await job('deploy', 'full');
  assert.equal(deployed.code, 0, deployed.stderr);
  assert.equal((await stage.ask()).release, 'r1');
  assert.equal(issuer.asked(), 1, 'one login for the verb, its events and the status');
  const refused = await job('rollback', 'not in its scope');
  assert.equal(refused.code, 5);
  assert.match(refused.stderr, /acme\/voice#7 is limited to deploy, releases/);
  const lines = await auditLines(stage);
  const [entered] = lines.filter(({ action }) => action === 'workload-login');
  assert.deepEqual(entered?.actor, { name: 'acme/voice#7', kind: 'workload', via: 'tcp' });
  assert.ok(lines.some(({ action, actor }) => action === 'deploy' && actor.kind === 'workload'));
});

test('a token is good once, also after a restart, and only as it was meant', async () => {
  await using issuer = await startGithubIssuer();
  await using stage = await stageWith(issuer);
  const aud = `http://127.0.0.1:${stage.controlPort}`;
  const token = await issuer.sign({ aud });
  const first = await login(stage, token);
  assert.equal(first.status, 200, first.body);
  const { session } = JSON.parse(first.body) as { session: string };
  assert.equal((await askControl(stage, { path: '/v1/status', headers: bearer(session) })).status, 200);
  await stage.must('down');
  await stage.up();

  const now = Math.floor(Date.now() / 1000);
  const refusals: [string, string, RegExp][] = [
    ['shown before', token, /it was shown before/],
    ['another audience', await issuer.sign({ aud: 'https://github.com/acme' }), /claim "aud"/],
    ['another repository', await issuer.sign({ aud, repository_id: '43' }), /acme\/voice \(43\) at refs/],
    ['another ref', await issuer.sign({ aud, ref: 'refs/heads/evil' }), /refs\/heads\/evil is let in by no/],
    ['expired', await issuer.sign({ aud, exp: now - 60 }), /it has expired/],
    ['too long a life', await issuer.sign({ aud, iat: now - 3_600 }), /expired|"iat"/],
    ['no jti', await issuer.sign({ aud, jti: undefined }), /claim "jti"/],
    ['forged', await issuer.sign({ aud }, { isForged: true }), /cannot be verified/],
    ['a shared secret', await issuer.sign({ aud }, { alg: 'HS256' }), /cannot be verified/],
    ['an unknown key', await issuer.sign({ aud }, { kid: 'key-9' }), /cannot be verified/],
    ['another issuer', await issuer.sign({ aud, iss: 'https://token.example' }), /its issuer is not known/],
    ['no token', 'nothing', /its issuer is not known/],
  ];
  for (const [what, given, text] of refusals) {
    const answer = await login(stage, given);
    assert.equal(answer.status, 401, what);
    assert.match(answer.error!.message, text, what);
    assert.ok(!answer.body.includes(given), `${what}: the token is not said back`);
  }
  const denied = (await auditLines(stage)).filter((line) => line.outcome === 'denied');
  assert.ok(denied.length >= 10 && denied.every(({ action }) => action === 'workload-login'));
});

test('without a rule nobody is let in; a job without permission is told what it lacks', async () => {
  await using issuer = await startGithubIssuer();
  await using stage = await Stage.make();
  await stage.up();
  const aud = `http://127.0.0.1:${stage.controlPort}`;
  const answer = await login(stage, await issuer.sign({ aud }));
  assert.match(answer.error!.message, /no CI is let in here by OIDC/);
  const env = { ...issuer.jobEnv, ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'wrong', CROSSFADE_URL: aud };
  const job = await cliInJob(stage, env, 'status');
  assert.equal(job.code, 5, job.stderr);
  assert.match(job.stderr, /status 401[^]*id-token: write/);
  const text = stage.read('crossfade.yaml');
  stage.write('crossfade.yaml', `${text}access: { workloads: [{ repositoryId: "4" }] }\n`);
  const open = await stage.cli('apply', '--dry-run');
  assert.equal(open.code, 2);
  assert.match(open.stderr, /crossfade\.yaml:\d+.*would let in every branch/);
});
