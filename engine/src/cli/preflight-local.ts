// The lines of a preflight that the folder answers for: tests, keys that must stay on the server, known holes
// in dependencies, what is left to migrate, and the workflow. Values of variables are never shown.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { resolveFrom } from '../config.ts';
import { nodeHost } from '../host-node.ts';
import { planMigration } from '../migrate/plan.ts';
import { recipes } from '../migrate/recipes/all-recipes.ts';
import { configChecks } from '../validate/config-checks.ts';
import { runChecks } from '../validate/check.ts';
import { Site } from '../validate/site.ts';
import { workflowPath } from '../workflow/workflow-file.ts';
import type { Project } from './connection.ts';
import { packageOf, type Found, type PreflightLine } from './preflight.ts';
import { isWorkflowCurrent } from './workflow.ts';

/** Of these, a build ships the value to every visitor. */
const publicPrefix = '(EXPO_PUBLIC|NEXT_PUBLIC|VITE|REACT_APP)';
const publicKey = `${publicPrefix}_[A-Z0-9_]*(SPEECHMATICS|MODAL|LIVEKIT)[A-Z0-9_]*(KEY|SECRET|TOKEN)`;
/** Of the app's folder, what no build takes. */
const notBuilt = [':!*.md', ':!*.test.*', ':!**/test/**', ':!*.deprecated'];
const vendorKey = 'SPEECHMATICS_API_KEY';

export function localLines(found: Project): PreflightLine[] {
  const { folder, config } = found;
  return [
    {
      line: 'speechmatics-key',
      todo: `put ${vendorKey} into app.env.file, and into nothing that a build makes public`,
      look: () => speechmaticsKey(found),
    },
    ...config.preflight.tests.map((command): PreflightLine => {
      return { line: nameOf(command), todo: `\`${command}\``, look: () => ran(found, command) };
    }),
    {
      line: 'audit',
      todo: '`npm audit fix`, or replace the package',
      look: () => checked(folder, 'config.audit'),
    },
    {
      line: 'secrets',
      todo: 'rename them without the public prefix, take the files out of git, and change the secrets',
      look: async () => {
        const files = await checked(folder, 'config.no-secret-files');
        return files.verdict === 'pass' ? checked(folder, 'config.public-variables') : files;
      },
    },
    {
      line: 'dependencies',
      todo: '`crossfade migrate plan`, then `crossfade migrate apply`',
      look: () => migrated(folder),
    },
    {
      line: 'workflow',
      todo: '`crossfade workflow generate`',
      look: () => {
        if (!existsSync(join(folder, workflowPath)))
          return { verdict: 'unknown', text: `there is no ${workflowPath}` };
        if (isWorkflowCurrent(found)) return { verdict: 'pass', text: `${workflowPath} is as made` };
        return { verdict: 'unknown', text: `${workflowPath} was changed by hand` };
      },
    },
  ];
}

/** `npm run test:integration` → `test:integration`. */
function nameOf(command: string): string {
  return /^npm (?:run )?([\w:-]+)$/.exec(command)?.[1] ?? command.slice(0, 60);
}

async function ran({ folder, stateFolder, config }: Project, command: string): Promise<Found> {
  const script = /^npm (?:run )?([\w:-]+)$/.exec(command)?.[1];
  if (script !== undefined && packageOf(folder).scripts?.[script] === undefined)
    return { verdict: 'unknown', text: `package.json has no script "${script}"` };
  mkdirSync(join(stateFolder, 'logs'), { recursive: true, mode: 0o700 });
  const logPath = join(stateFolder, 'logs', `preflight-${nameOf(command).replace(/[^\w]+/g, '-')}.log`);
  const startedAt = performance.now();
  const timeoutMs = config.preflight.timeout;
  const env = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
  const request = { command: 'sh', args: ['-c', command], folder, env, timeoutMs, logPath };
  const { code } = await nodeHost().processes.run(request);
  const took = `${((performance.now() - startedAt) / 1000).toFixed(1)} s`;
  if (code === 0) return { verdict: 'pass', text: `\`${command}\` passed in ${took}` };
  const ending = code === null ? `was ended after ${took}` : `ended with ${code} after ${took}`;
  return { verdict: 'fail', text: `\`${command}\` ${ending}; see ${logPath.slice(folder.length + 1)}` };
}

/** What `crossfade validate` finds, in the words of a checklist. */
async function checked(folder: string, id: string): Promise<Found> {
  const check = configChecks.find((each) => each.id === id)!;
  const limits = { responseMs: 0, errorShare: 0, pageLoadMs: 0 };
  // A check of the folder asks nobody.
  const site = new Site(new URL('http://127.0.0.1:9'), []);
  const [finding] = await runChecks([check], { site, healthPath: '/', limits, secrets: {}, folder });
  const { verdict, measured } = finding!;
  return { verdict: verdict === 'pass' || verdict === 'fail' ? verdict : 'unknown', text: measured };
}

function speechmaticsKey({ folder, config }: Project): Found {
  const shipped = publicName(folder, config.app.folder);
  if (shipped !== undefined) return { verdict: 'fail', text: `a build would ship it: ${shipped}` };
  const isUsed = Object.values(config.speech.endpoints).some(({ type }) => type === 'speechmatics');
  if (!isUsed) return { verdict: 'pass', text: 'no speech endpoint is of Speechmatics' };
  const { file } = config.app.env;
  const path = file === undefined ? undefined : resolveFrom(folder, file);
  const known = path !== undefined && existsSync(path) ? parseEnv(readFileSync(path, 'utf8')) : {};
  const isThere = Boolean(known[vendorKey] ?? known[`${vendorKey}_FILE`] ?? process.env[vendorKey]);
  if (!isThere) return { verdict: 'fail', text: `${vendorKey} is neither in app.env.file nor set here` };
  return { verdict: 'pass', text: `${vendorKey} is set on the server, under no public name` };
}

/** FILE:LINE: NAME of a vendor's key under a name that a build makes public. */
function publicName(folder: string, built: string): string | undefined {
  try {
    const args = ['grep', '-n', '-o', '-E', '--untracked', publicKey, '--', built, ...notBuilt];
    const text = execFileSync('git', args, {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return text.split('\n')[0];
  } catch (error) {
    const { status } = error as { status?: number };
    if (status === 1) return undefined;
    throw new Error('the code cannot be searched: this is no git checkout', { cause: error });
  }
}

/** Recipes that find something to do here. */
function migrated(folder: string): Found {
  const open = [...recipes.values()].flatMap((recipe) => {
    const { changes, tasks } = planMigration(recipe, folder);
    if (changes.length + tasks.length === 0) return [];
    return [`${recipe.name}: ${changes.length} files to change, ${tasks.length} places for a person`];
  });
  if (open.length === 0) return { verdict: 'pass', text: 'no recipe finds anything to do' };
  return { verdict: 'fail', text: open.join('; ') };
}
