// A subject of the process driver: a folder with a small real server that can be told to misbehave by MODE, a
// state folder, and drivers over it. Every process it starts notes its pid, so that a test can say that none
// is left.
import { execFileSync } from 'node:child_process';
import * as fs from 'node:fs';
import type { TestContext } from 'node:test';
import type { InstancePlan, ReleaseSpec } from '../src/environment/environment-driver.ts';
import { ProcessDriver, type ProcessDriverOptions } from '../src/environment/process-driver.ts';
import { nodeHost } from '../src/host-node.ts';
import type { ProcessIdentity } from '../src/host.ts';
import {
  eventually,
  quickHealth,
  temporaryFolder,
  type Behaviour,
  type Subject,
} from './environment-shared.ts';

export type Mode =
  Behaviour | 'wrong-instance' | 'silent-on-release' | 'exits' | 'crashes' | 'drains' | 'stubborn' | 'chatty';

const app = `
import * as fs from 'node:fs';
import * as http from 'node:http';
const { MODE, NOTES, PORT, HOST, CROSSFADE_RELEASE, CROSSFADE_INSTANCE } = process.env;
fs.appendFileSync(NOTES + '/pids', process.pid + '\\n');
console.log('app in mode ' + MODE);
if (MODE === 'exits') { console.error('no database'); process.exit(1); }
if (MODE === 'stubborn') process.on('SIGTERM', () => console.log('not now'));
if (MODE === 'chatty') setInterval(() => console.log('x'.repeat(1000)), 2);
if (MODE === 'drains') process.on('SIGTERM', () => {
  setTimeout(() => { fs.writeFileSync(NOTES + '/drained', ''); process.exit(0); }, 300);
});
const release = MODE === 'wrong-release' ? 'r99' : CROSSFADE_RELEASE;
const instance = MODE === 'wrong-instance' ? 'another' : CROSSFADE_INSTANCE;
http.createServer((request, answer) => {
  if (MODE === 'hanging') return;
  if (MODE === 'crashes') setTimeout(() => { console.error('out of memory'); process.exit(134); }, 100);
  answer.writeHead(['unhealthy', 'crashes'].includes(MODE) ? 503 : 200, { 'x-release': release });
  const text = fs.readFileSync(new URL('./text', import.meta.url), 'utf8').trim();
  answer.end(MODE === 'silent-on-release' ? text : JSON.stringify({ release, instance, text }));
}).listen(Number(PORT), HOST);
`;

export type AppSubject = Omit<Subject, 'driver' | 'spec'> & {
  /** Where app and state are; \`source\` is the app's own folder. */
  readonly folder: string;
  readonly source: string;
  readonly stateFolder: string;
  driver(options?: Partial<ProcessDriverOptions>): ProcessDriver;
  spec(release: string, mode: Mode): Promise<ReleaseSpec>;
  identity(plan: InstancePlan): ProcessIdentity;
  /** The pids of all app processes so far. */
  pids(): readonly number[];
};

export const host = nodeHost();

/** Opens a subject; whatever still lives of it is ended after the test. */
export async function openApp(context: TestContext): Promise<AppSubject> {
  // First, as hooks run in the order of their making: the notes must still be there.
  context.after(async () => {
    for (const pid of await living()) process.kill(pid, 'SIGKILL');
    await eventually('none is left', async () => (await living()).length === 0);
  });
  const folder = temporaryFolder(context);
  const source = `${folder}/app`;
  const stateFolder = `${folder}/state`;
  for (const each of [source, stateFolder]) fs.mkdirSync(each);
  fs.writeFileSync(`${source}/app.mjs`, app);
  fs.writeFileSync(`${source}/text`, 'first\n');
  const pids = (): number[] =>
    (host.files.read(`${folder}/pids`) ?? '').split('\n').filter(Boolean).map(Number);
  const living = async (): Promise<number[]> => {
    const starts = await Promise.all(pids().map((pid) => host.processes.startTime(pid)));
    return pids().filter((_pid, index) => starts[index] !== undefined);
  };
  const identity = (plan: InstancePlan): ProcessIdentity =>
    JSON.parse(fs.readFileSync(`${stateFolder}/run/${plan.release}-${plan.nonce}.json`, 'utf8'));
  return {
    folder,
    source,
    stateFolder,
    driver: (options) =>
      new ProcessDriver({ host: nodeHost(), stateFolder, failedGraceMs: 1000, ...options }),
    spec: async (release, mode) => ({
      release,
      source: { kind: 'folder', path: source },
      start: `exec "${process.execPath}" app.mjs`,
      env: { MODE: mode, NOTES: folder },
      instances: 1,
      health: quickHealth,
    }),
    async kill(plan) {
      const { group, pid } = identity(plan);
      host.processes.signalGroup(group, 'SIGKILL');
      await eventually('it is gone', async () => (await host.processes.startTime(pid)) === undefined);
    },
    identity,
    pids,
    starts: () => pids().length,
    alive: async () => (await living()).length,
  };
}

/** Makes the subject's folder a repository, commits it, and gives the commit. */
export function commit(folder: string, message = 'a commit'): string {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', folder, '-c', 'user.name=a', '-c', 'user.email=a@b.invalid', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  if (!fs.existsSync(`${folder}/.git`)) git('init', '--initial-branch=main');
  git('add', '--all');
  git('commit', '--allow-empty', '-m', message);
  return git('rev-parse', 'HEAD').trim();
}
