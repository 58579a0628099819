// A command that must succeed after a migration, with a deadline; nothing of it outlives us.
import { runProgram } from '../program-run.ts';

const checkLimitMs = 10 * 60_000;
const shownLines = 5;

/** The end of what it said; undefined where it succeeds. */
export async function failureOf(
  command: string,
  folder: string,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const env = Object.entries(process.env).filter((each): each is [string, string] => each[1] !== undefined);
  const { code, stdout, stderr } = await runProgram({
    ...{ command: '/bin/sh', args: ['-c', command], folder, timeoutMs: checkLimitMs },
    ...{ env: Object.fromEntries(env), ...(signal && { signal }) },
  });
  if (code === 0) return undefined;
  const said = (stderr.trim() || stdout.trim()).split('\n').slice(-shownLines).join('\n');
  return said || (signal?.aborted ? 'it was interrupted' : `it ended with ${code ?? 'a signal'}`);
}
