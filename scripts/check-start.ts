// What `npm start` promises, checked on a fresh clone by CI: a serving gateway in time, r1 live, r2 known,
// four live sessions, answers without failures, the dashboard, and after Ctrl-C no process left. Prints
// what it measured as one JSON line.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { controlClient } from '../engine/src/cli/connection.ts';
import { renderError } from '../engine/src/cli/render.ts';
import { CrossfadeError } from '../engine/src/errors.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const limitMs = 60_000;

try {
  console.log(JSON.stringify(await check()));
} catch (error) {
  process.exitCode = renderError(error, false);
}

async function check(): Promise<Record<string, number>> {
  const startedAt = performance.now();
  const since = (): number => Math.round(performance.now() - startedAt);
  // A group of its own, as a terminal gives it, so that one signal reaches what Ctrl-C would reach.
  const child = spawn('npm', ['start'], { cwd: root, stdio: 'inherit', detached: true });
  const client = controlClient({ folder: root });
  try {
    await until('a serving gateway', async () => (await fetch('http://127.0.0.1:8080/api/health')).ok);
    const servingMs = since();
    await until('r2', async () => (await client.releases()).some((each) => each.id === 'r2'));
    await until('four sessions', async () =>
      (await client.status()).environments.some((each) => each.sessions === 4),
    );
    const sessionsMs = since();
    await until('dashboard', async () =>
      (await (await fetch('http://127.0.0.1:4600/')).text()).includes('/assets/'),
    );
    const { environments } = await client.status();
    const appPorts = environments.flatMap((each) =>
      each.instances.map((one) => Number(new URL(one.url).port)),
    );
    process.kill(-child.pid!, 'SIGINT');
    await once(child, 'exit');
    const ports = [8080, 4600, 4701, 4702, ...appPorts];
    await until('every port free', async () => (await Promise.all(ports.map(isFree))).every(Boolean));
    return { servingMs, sessionsMs, endedMs: since() - sessionsMs };
  } finally {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid!, 'SIGTERM');
  }
}

async function until(what: string, isThere: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (performance.now() < deadline) {
    if (await isThere().catch(() => false)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new CrossfadeError(
    'timeout',
    `npm start: no ${what} within ${limitMs / 1000} s`,
    'see .crossfade/logs',
  );
}

async function isFree(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`).then(
    () => false,
    () => true,
  );
}
