// `crossfade cleanup`: what a migration and its go-live leave behind, once the bake is over: deprecated
// files, backups by policy, records of worktrees that are gone. Shows by default; --apply does it.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { migrations } from '../migrate/journal.ts';
import { cleanUp } from '../migrate/migration.ts';
import { pruneBackups } from './backup.ts';
import { controlClient, localProject, type GlobalOptions } from './connection.ts';
import { print, printJson, say, verdictWord } from './render.ts';

export type CleanupOptions = GlobalOptions & { readonly apply?: boolean };

type Line = {
  readonly line: string;
  readonly verdict: 'pass' | 'fail' | 'unknown';
  readonly text: string;
  readonly gone: readonly string[];
};

/** 0 done or nothing to do, 1 a part failed; 5 while something is still watched. */
export async function cleanup(options: CleanupOptions): Promise<ExitCode> {
  const { folder } = localProject(options, 'cleanup');
  const { rollout } = await controlClient(options).status();
  if (rollout && !['completed', 'superseded', 'rolled-back', 'failed'].includes(rollout.phase)) {
    const text = `rollout ${rollout.number} of ${rollout.release} is ${rollout.phase}: it may still go back`;
    throw new CrossfadeError('refused', text, 'clean up when it has ended; see `crossfade status`');
  }
  const isApplied = options.apply === true;
  const lines = [
    await part('deprecated', () => deprecated(folder, isApplied)),
    await part('backups', async () => {
      const decisions = await pruneBackups(options, isApplied);
      return decisions.filter(({ isKept }) => !isKept).map(({ id }) => id);
    }),
    await part('worktrees', () => staleWorktrees(folder, isApplied)),
  ];
  if (options.json) printJson({ isDryRun: !isApplied, lines });
  else
    for (const { line, verdict, text } of lines) print(`${verdictWord(verdict)} ${line.padEnd(12)} ${text}`);
  if (!isApplied && lines.some(({ gone }) => gone.length > 0)) say('next: `crossfade cleanup --apply`');
  return lines.some(({ verdict }) => verdict === 'fail') ? 1 : 0;
}

type Find = () => Promise<readonly string[]> | readonly string[];

async function part(line: string, find: Find): Promise<Line> {
  try {
    const gone = await find();
    return { line, verdict: 'pass', text: gone.length === 0 ? 'nothing to remove' : gone.join(', '), gone };
  } catch (error) {
    return { line, verdict: 'fail', text: errorText(error), gone: [] };
  }
}

function deprecated(folder: string, isApplied: boolean): string[] {
  const isMigrated = migrations(folder).some(({ state }) => state === 'applied');
  return isMigrated ? cleanUp(folder, !isApplied) : [];
}

/** Records in git of worktrees whose folders are gone; the folders themselves the controller keeps. */
function staleWorktrees(folder: string, isApplied: boolean): string[] {
  const args = ['worktree', 'prune', '--verbose', ...(isApplied ? [] : ['--dry-run'])];
  if (!existsSync(join(folder, '.git'))) return [];
  // What it would remove it says on either stream, by version.
  const command = ['-c', 'git "$@" 2>&1', 'sh', ...args];
  const text = execFileSync('sh', command, { cwd: folder, encoding: 'utf8' });
  return [...text.matchAll(/worktrees\/([^:\n]+)/g)].map((match) => match[1]!);
}
