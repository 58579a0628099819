// `crossfade up --detach`: an `up` in a session of its own, without a terminal, whose output goes to
// .crossfade/logs/up.log (cut at 10 MiB by the controller, three copies kept). Returns when gateway and
// controller serve, or with the error of what could not start. The one-time link is told here, because a log
// is no place for it.
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { CrossfadeError, errorText, isErrorCode, type ExitCode } from '../errors.ts';
import { programPath } from '../program-path.ts';
import type { Project } from './connection.ts';
import { say } from './render.ts';

const startLimitMs = 90_000;

const report = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('ready') }),
  z.object({
    kind: z.literal('failed'),
    code: z.string(),
    message: z.string(),
    hint: z.string().optional(),
  }),
]);
type Report = z.infer<typeof report>;

/** To whoever started this `up` and waits for it; nothing when nobody does. */
export function reportStart(error?: unknown): void {
  if (!process.send) return;
  const known = error instanceof CrossfadeError ? error : undefined;
  const failed = { code: known?.code ?? 'internal', message: errorText(error), hint: known?.hint };
  const told: Report = error === undefined ? { kind: 'ready' } : { kind: 'failed', ...failed };
  process.send(told, undefined, undefined, () => process.disconnect());
}

/** `args` are those of the `up` in the background. */
export async function detach({ stateFolder, folder }: Project, args: readonly string[]): Promise<ExitCode> {
  const logFolder = join(stateFolder, 'logs');
  const logPath = join(logFolder, 'up.log');
  mkdirSync(logFolder, { recursive: true, mode: 0o700 });
  const log = openSync(logPath, 'a', 0o600);
  const main = programPath('../main', import.meta.url);
  const child = spawn(process.execPath, [main, 'up', '--folder', folder, ...args], {
    cwd: folder,
    stdio: ['ignore', log, log, 'ipc'],
    detached: true,
  });
  closeSync(log);
  const told = await outcome(child, logPath);
  if (told.kind === 'failed') {
    const code = isErrorCode(told.code) ? told.code : 'internal';
    throw new CrossfadeError(code, told.message, told.hint);
  }
  child.disconnect();
  child.unref();
  say(`up in the background (pid ${child.pid}); \`crossfade down\` ends it, ${logPath} tells about it`);
  return 0;
}

function outcome(child: ChildProcess, logPath: string): Promise<Report> {
  const hint = `see ${logPath}`;
  return new Promise((resolve) => {
    const late = setTimeout(() => {
      child.kill('SIGTERM');
      resolve({ kind: 'failed', code: 'timeout', message: `it did not serve within 90 s`, hint });
    }, startLimitMs);
    const settle = (told: Report): void => {
      clearTimeout(late);
      resolve(told);
    };
    child.once('message', (message) => settle(report.parse(message)));
    child.once('error', (error) =>
      settle({ kind: 'failed', code: 'internal', message: errorText(error), hint }),
    );
    child.once('exit', (code, signal) => {
      const message = `it ended with ${code ?? signal} before it served`;
      settle({ kind: 'failed', code: 'internal', message, hint });
    });
  });
}
