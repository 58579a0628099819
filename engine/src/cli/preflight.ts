// `crossfade preflight`: the technical lines before a go-live, each looked at now, with verdict and reason.
// F1 a line that could not be looked at is unknown, never pass. What was found is kept for an hour for the
// go-live of the same commit, so that one that is taken up again does not test everything anew.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { checkedLine } from '../api/readiness.ts';
import { load, store } from '../durable-file.ts';
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import type { CheckedLine } from '../rollout/signoff.ts';
import { controlClient, project, type GlobalOptions, type Project } from './connection.ts';
import { localLines } from './preflight-local.ts';
import { remoteLines } from './preflight-remote.ts';
import { runningLines } from './preflight-running.ts';
import { print, printJson, say, verdictWord } from './render.ts';

export type PreflightOptions = GlobalOptions & { readonly skip?: string };

/** A line of the checklist, looked at when it is its turn. */
export type PreflightLine = {
  readonly line: string;
  /** Where it fails. */
  readonly todo: string;
  readonly look: () => Promise<Found> | Found;
};

export type Found = { readonly verdict: CheckedLine['verdict']; readonly text: string };

const record = z.object({ at: z.number(), commit: z.string().optional(), lines: z.array(checkedLine) });
export type PreflightRecord = z.infer<typeof record>;

const freshMs = 3_600_000;
const textLimit = 500;

/** 0 nothing fails, 1 something does, 4 nothing fails and something is unknown. */
export async function preflight(options: PreflightOptions): Promise<ExitCode> {
  const found = project(options);
  const lines = await looked(found, options, options.json !== true);
  const failed = lines.filter(({ verdict }) => verdict === 'fail');
  if (options.json) printJson({ lines });
  else say(failed.length === 0 ? 'next: `crossfade signoff`, then `crossfade golive`' : 'not ready');
  if (failed.length > 0) return 1;
  return lines.some(({ verdict }) => verdict === 'unknown') ? 4 : 0;
}

/** Looks at every line, shows each as it is found, and keeps them. */
export async function looked(
  found: Project,
  options: PreflightOptions,
  isShown: boolean,
): Promise<CheckedLine[]> {
  const client = controlClient(options);
  const all = [...runningLines(client, found.config), ...localLines(found), ...remoteLines(found)];
  const skipped = skippedOf(options.skip, all);
  const lines: CheckedLine[] = [];
  for (const { line, todo, look } of all) {
    const outcome = skipped.has(line) ? notAsked : await seen(look);
    const text = outcome.text.slice(0, textLimit);
    lines.push({ line, verdict: outcome.verdict, text });
    if (!isShown) continue;
    print(`${verdictWord(outcome.verdict)} ${line.padEnd(18)} ${text}`);
    if (outcome.verdict === 'fail') print(`${' '.repeat(27)}→ ${todo}`);
  }
  const commit = commitOf(found.folder);
  mkdirSync(found.stateFolder, { recursive: true, mode: 0o700 });
  const kept = { at: Date.now(), ...(commit !== undefined && { commit }), lines };
  store(nodeHost().files, recordPath(found), kept);
  return lines;
}

const notAsked: Found = { verdict: 'unknown', text: 'left out, as asked' };

/** F1: what throws has not looked. */
async function seen(look: PreflightLine['look']): Promise<Found> {
  try {
    return await look();
  } catch (error) {
    return { verdict: 'unknown', text: errorText(error) };
  }
}

function skippedOf(text: string | undefined, all: readonly PreflightLine[]): ReadonlySet<string> {
  const names = (text ?? '')
    .split(',')
    .map((each) => each.trim())
    .filter((each) => each !== '');
  const strange = names.find((name) => !all.some(({ line }) => line === name));
  if (strange === undefined) return new Set(names);
  const known = all.map(({ line }) => line).join(', ');
  throw new CrossfadeError('usage', `there is no line "${strange}"`, `there are ${known}`);
}

/** What was found last, and whether it still says something of what would go live now. */
export function lastLooked(found: Project): (PreflightRecord & { readonly isFresh: boolean }) | undefined {
  const loaded = load(nodeHost().files, recordPath(found), record);
  if (loaded.kind !== 'whole') return undefined;
  const { at, commit } = loaded.value;
  const isFresh = Date.now() - at <= freshMs && commit !== undefined && commit === commitOf(found.folder);
  return { ...loaded.value, isFresh };
}

function recordPath({ stateFolder }: Project): string {
  return join(stateFolder, 'preflight.json');
}

/** Undefined without a checkout, or where the tree has changes: then nothing that was found before counts. */
function commitOf(folder: string): string | undefined {
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('status', '--porcelain') === '' ? git('rev-parse', 'HEAD') : undefined;
  } catch {
    // No checkout here.
    return undefined;
  }
}

/** package.json of the folder, where there is one that can be read. */
export function packageOf(folder: string): { scripts?: Record<string, string> } & Record<string, unknown> {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return {};
  return JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
}
