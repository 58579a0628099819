// A page of documentation as a walk: its `sh` lines are typed in their order, and a line that is not typed,
// or typed without standing there, fails the test.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { StatusView } from '../src/api/control.ts';
import { until, type CliResult, type Stage } from './stage.ts';

const root = new URL('../../', import.meta.url);
const typedLimitMs = 120_000;

/** The lines of all blocks of this language. */
export function linesIn(markdown: string, language = 'sh'): string[] {
  const blocks = markdown.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'));
  return [...blocks].flatMap((match) => match[1]!.trim().split('\n'));
}

/** As in a terminal whose PATH has `crossfade`, by somebody whom git knows. */
const surroundings = (): Record<string, string> => ({
  PATH: `${new URL('node_modules/.bin', root).pathname}:${process.env['PATH']}`,
  ...Object.fromEntries(
    ['AUTHOR', 'COMMITTER'].flatMap((role) => [
      [`GIT_${role}_NAME`, 't'],
      [`GIT_${role}_EMAIL`, 't@localhost'],
    ]),
  ),
});

/** Ended after two minutes: then its code is null, and what it had said is there. */
export async function typed(stage: Stage, line: string): Promise<CliResult> {
  const child = spawnIn(stage, line);
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => void (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => void (stderr += text));
  const timer = setTimeout(() => child.kill('SIGINT'), typedLimitMs);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, stdout, stderr };
}

function spawnIn(stage: Stage, line: string) {
  const isPlain = /^crossfade [^|&;]*$/.test(line);
  return spawn('sh', ['-c', isPlain ? `exec ${line}` : line], {
    cwd: stage.folder,
    env: { ...process.env, ...surroundings(), NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

export class Walk {
  readonly stage: Stage;
  readonly #page: string;
  readonly #lines: string[];

  /** `page`: a path in the repository. */
  constructor(stage: Stage, page: string) {
    this.stage = stage;
    this.#page = page;
    this.#lines = linesIn(readFileSync(new URL(page, root), 'utf8'));
  }

  /** Types the next line, which is this one; it must end with one of these codes. `as`: with other ports. */
  async type(line: string, codes: readonly number[] = [0], as = line): Promise<CliResult> {
    this.#next(line);
    const result = await typed(this.stage, as);
    const said = `${this.#page}: ${line} ended with ${result.code}: ${result.stdout}${result.stderr}`;
    assert.ok(codes.includes(result.code ?? -1), said);
    return result;
  }

  /** The next line goes on until Ctrl-C, which comes once this is seen. */
  async typeUntil(line: string, isSeen: (status: StatusView, output: string) => boolean): Promise<void> {
    this.#next(line);
    const child = spawnIn(this.stage, line);
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => void (output += text));
    const gone = once(child, 'close');
    try {
      await until(async () => {
        if (child.exitCode !== null) throw new Error(`${line} ended by itself: ${output}`);
        return isSeen(await this.stage.status(), output) ? true : undefined;
      }, 60_000);
    } finally {
      child.kill('SIGINT');
    }
    await gone;
  }

  /** The page has no line that was not typed. */
  end(): void {
    assert.deepEqual(this.#lines, [], this.#page);
  }

  #next(line: string): void {
    assert.equal(line, this.#lines.shift(), this.#page);
  }
}

/** Where a configuration was made by `init`, the ports of the stage take the place of its own. */
export function useFreePorts(stage: Stage): void {
  const text = stage.read('crossfade.yaml');
  const moved = text
    .replace('127.0.0.1:8080', `127.0.0.1:${stage.gatewayPort}`)
    .replace('127.0.0.1:4600', `127.0.0.1:${stage.controlPort}`);
  assert.notEqual(moved, text);
  stage.write('crossfade.yaml', moved);
}
