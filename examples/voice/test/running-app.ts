// The app as a child process on a port of its own, in front of a mint endpoint that speaks the vendor's
// protocol. For the tests beside it.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export type RunningApp = AsyncDisposable & {
  readonly url: string;
  readonly child: ChildProcess;
  /** Lines the process has printed. */
  readonly lines: readonly string[];
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
};

const entry = fileURLToPath(new URL('../serve.ts', import.meta.url));
const startMs = 10_000;

/** Starts the app with these variables and no others of its own. */
export async function startApp(env: Readonly<Record<string, string>> = {}): Promise<RunningApp> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', entry], {
    env: { PATH: process.env['PATH'] ?? '', PORT: '0', APP_SECRET: 'a-secret-of-this-test', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const output = createInterface({ input: child.stdout });
  output.on('line', (line) => lines.push(line));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const listening = once(output, 'line', { signal: AbortSignal.timeout(startMs) });
  const [line] = (await Promise.race([listening, ended.then(() => ['{}'])])) as [string];
  const { url } = JSON.parse(line) as { url?: string };
  if (url === undefined) throw new Error('the app ended before it listened');
  return {
    url,
    child,
    lines,
    ended,
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** The `voice_session` pair that the document gives out. */
export async function signIn(app: RunningApp): Promise<string> {
  const response = await fetch(app.url);
  await response.arrayBuffer();
  return response.headers.getSetCookie()[0]?.split(';')[0] ?? '';
}

export function post(app: RunningApp, path: string, cookie = '', body = '{}'): Promise<Response> {
  return fetch(new URL(path, app.url), { method: 'POST', headers: cookie ? { cookie } : {}, body });
}
