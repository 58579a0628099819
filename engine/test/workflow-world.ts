// What a workflow runs in: a repository, a Crossfade for staging and one for production that let in its
// runs, and a Slack.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startGithubIssuer, type GithubIssuer } from './github-issuer.ts';
import { runWorkflow, type RunContext, type RunEnd } from './github-runner.ts';
import { Stage } from './stage.ts';

const bin = new URL('../bin/crossfade.mjs', import.meta.url).pathname;
const person = ['-c', 'user.name=t', '-c', 'user.email=t@localhost'];

/** As it should be: it passes the suites that the repository asks for. */
export const goodServer = `
import { createServer } from 'node:http';
import { code } from './code.mjs';
const { PORT, CROSSFADE_RELEASE: release, CROSSFADE_INSTANCE: instance } = process.env;
const headers = {
  'content-security-policy': "default-src 'self'; frame-ancestors 'none'", 'x-content-type-options': 'nosniff',
  'cross-origin-opener-policy': 'same-origin', 'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer', 'permissions-policy': 'microphone=(self)', 'cache-control': 'no-store',
};
createServer((request, response) => {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
  if (request.url === '/api/health') {
    response.writeHead(request.method === 'GET' ? 200 : 405, { 'content-type': 'application/json' });
    return response.end(JSON.stringify({ release, instance }));
  }
  if (new URL(request.url, 'http://x').pathname !== '/') return response.writeHead(404).end('none');
  response.writeHead(200, { 'content-type': 'text/html' }).end('<p>' + code + '</p>');
}).listen(Number(PORT), '127.0.0.1');
`;

export type WorkflowWorld = AsyncDisposable & {
  readonly folder: string;
  readonly production: Stage;
  /** What Slack was told, oldest first. */
  readonly slack: readonly string[];
  put(name: string, text: string): void;
  commit(code: string): string;
  /** A push, or a dispatch with these inputs, of the newest commit. */
  run(inputs?: RunContext['inputs']): Promise<RunEnd>;
};

export async function openWorkflowWorld(workflow: string): Promise<WorkflowWorld> {
  const above = mkdtempSync(join(tmpdir(), 'crossfade-ci-'));
  const folder = join(above, 'app');
  mkdirSync(join(above, 'node_modules/.bin'), { recursive: true });
  symlinkSync(bin, join(above, 'node_modules/.bin/crossfade'));
  mkdirSync(folder);
  const issuer = await startGithubIssuer();
  const hook = await startSlack();
  const [staging, production] = [await openStage(issuer, folder), await openStage(issuer, folder)];
  const put = (name: string, text: string): void => {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  };
  const git = (...args: string[]): string =>
    execFileSync('git', [...person, ...args], { cwd: folder, encoding: 'utf8' }).trim();
  for (const [name, text] of Object.entries(filesOf(staging, production))) put(name, text);
  git('init', '-q', '-b', 'main');
  return {
    ...{ folder, production, put, slack: hook.told },
    commit(code) {
      put('code.mjs', `export const code = '${code}';\n`);
      git('add', '-A');
      git('commit', '-q', '-m', code);
      return git('rev-parse', 'HEAD');
    },
    run: (inputs) =>
      runWorkflow(readFileSync(join(folder, workflow), 'utf8'), {
        ...{
          folder,
          idToken: issuer.jobEnv,
          event: inputs ? 'workflow_dispatch' : 'push',
          inputs: inputs ?? {},
        },
        vars: { STAGING_URL: urlOf(staging), PRODUCTION_URL: urlOf(production) },
        secrets: { SLACK_WEBHOOK_URL: hook.url },
        env: {
          PATH: `${dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin`,
          ...{ HOME: process.env['HOME'] ?? '/root', npm_config_update_notifier: 'false' },
          ...{ GITHUB_SHA: git('rev-parse', 'HEAD'), GITHUB_RUN_ID: '7', GITHUB_ACTOR: 'anna' },
          GITHUB_REPOSITORY: 'acme/voice',
        },
      }),
    async [Symbol.asyncDispose]() {
      for (const each of [staging, production, issuer, hook]) await each[Symbol.asyncDispose]();
      rmSync(above, { recursive: true, force: true });
    },
  };
}

function urlOf(stage: Stage): string {
  return `http://127.0.0.1:${stage.gatewayPort}`;
}

async function openStage(issuer: GithubIssuer, repository: string): Promise<Stage> {
  const scope = 'scope: [deploy, releases, rollback]';
  const rule = `issuer: "${issuer.url}", repositoryId: "42", refs: [refs/heads/main], ${scope}`;
  const stage = await Stage.make(`
app: { start: node server.mjs, grace: 1s }
health: { interval: 100ms }
rollout: { steps: [{ setWeight: 50, hold: 100ms }], bake: 1h, standby: 1h }
guards: { errors: { minUnits: 1 }, latency: { minUnits: 1 } }
access: { workloads: [{ ${rule} }] }
`);
  await stage.run('git', ['remote', 'add', 'origin', repository]);
  await stage.up();
  return stage;
}

function filesOf(staging: Stage, production: Stage): Record<string, string> {
  const at = (stage: Stage): string => `{ url: "http://127.0.0.1:${stage.controlPort}" }`;
  const about = { name: 'voice', version: '1.0.0' };
  const idle = 'node -e 0';
  return {
    'crossfade.yaml': [
      'service: voice',
      'app: { start: node server.mjs }',
      'validate: { suites: [health, api, security] }',
      `destinations: { staging: ${at(staging)}, production: ${at(production)} }`,
      '',
    ].join('\n'),
    'server.mjs': goodServer,
    '.gitignore': '.crossfade/\n',
    'package.json': JSON.stringify({ ...about, scripts: { test: idle, 'test:rollback': idle } }),
    'package-lock.json': JSON.stringify({ ...about, lockfileVersion: 3, packages: { '': about } }),
  };
}

async function startSlack() {
  const told: string[] = [];
  const server = createServer((request, response) => {
    request.setEncoding('utf8').on('data', (text: string) => void told.push(text));
    request.on('end', () => response.end('ok'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    told,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
