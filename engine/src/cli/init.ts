// `crossfade init`: looks at this repository, writes crossfade.yaml, the .gitignore line and the known
// scripts, and says what the app still lacks. A file that is there is kept, so it may be run again.
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { survey, type Survey } from './app-survey.ts';
import type { GlobalOptions } from './connection.ts';
import { printJson, say } from './render.ts';

type Written = { readonly path: string; readonly action: 'written' | 'kept' | 'extended' };

export async function init(options: GlobalOptions & { readonly dryRun?: boolean }): Promise<ExitCode> {
  const folder = resolve(options.folder ?? '.');
  if (!existsSync(folder))
    throw new CrossfadeError('source', `there is no folder ${folder}`, 'name another with --folder');
  const found = survey(folder);
  const isDry = options.dryRun === true;
  const written = [
    writeNew(folder, 'crossfade.yaml', configText(found), isDry),
    extend(folder, '.gitignore', '.crossfade/', isDry),
    writeNew(folder, 'scripts/blue-green-deployment.sh', deployScript, isDry, true),
    writeNew(folder, 'scripts/emergency-rollback.sh', rollbackScript, isDry, true),
    writeNew(folder, 'scripts/pre-migration-backup.sh', backupScript, isDry, true),
  ];
  if (options.json) {
    printJson({ isDryRun: isDry, app: found, files: written });
    return 0;
  }
  say(
    `found ${found.kind === 'unknown' ? 'no known kind of app' : `a ${found.kind} app`}: start \`${found.start ?? '?'}\`, health ${found.healthPath}`,
  );
  for (const each of written) say(`${isDry ? 'would be ' : ''}${each.action.padEnd(9)} ${each.path}`);
  for (const each of found.lacks) say(`lacks     ${each}`);
  say(
    isDry
      ? 'next: `crossfade init`'
      : 'next: read crossfade.yaml, commit it, then `crossfade up` and `crossfade deploy full`',
  );
  return 0;
}

function writeNew(folder: string, path: string, text: string, isDry: boolean, isExecutable = false): Written {
  const full = join(folder, path);
  if (existsSync(full)) return { path, action: 'kept' };
  if (!isDry) {
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
    if (isExecutable) chmodSync(full, 0o755);
  }
  return { path, action: 'written' };
}

function extend(folder: string, path: string, line: string, isDry: boolean): Written {
  const full = join(folder, path);
  const text = existsSync(full) ? readFileSync(full, 'utf8') : '';
  if (text.split('\n').some((each) => each.trim() === line)) return { path, action: 'kept' };
  if (!isDry) writeFileSync(full, `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`);
  return { path, action: text === '' ? 'written' : 'extended' };
}

function configText(found: Survey): string {
  const build =
    found.build === undefined
      ? '  # build: npm run build      # runs once in each release'
      : `  build: ${found.build}`;
  const env =
    found.envFile === undefined
      ? '  # env: { file: .env }       # values for the app'
      : `  env: { file: ${found.envFile} }`;
  return `# yaml-language-server: $schema=node_modules/@crossfade/cli/crossfade.schema.json
# What Crossfade carries. \`crossfade doctor\` checks this file; unknown keys are refused.
service: ${found.service}

source: { path: ., remote: origin }       # \`crossfade deploy\` takes HEAD of this git checkout

listen:
  gateway: 127.0.0.1:8080                 # where users come in
  control: 127.0.0.1:4600                 # where the dashboard is

app:
${build}
  start: ${found.start ?? 'npm start'}     # must listen on $PORT
  instances: 1
${env}

health:
  path: ${found.healthPath}
  release: ${found.proof}                      # $.release: health names CROSSFADE_RELEASE; process: proven by process
  interval: 1s
  ready: 60s

cohort:                                   # what a user is hashed by, first found wins
  - { header: x-crossfade-key }
  - { cookie: crossfade, mint: true }

rollout:
  steps:                                  # a step without hold waits for \`crossfade promote\`
    - { setWeight: 10, hold: 10m }
    - { setWeight: 25, hold: 10m }
    - { setWeight: 75, hold: 10m }
  bake: 24h                               # watched at 100 %, the old release warm
  standby: 24h                            # how long a replaced release stays warm
  sessions: stay                          # or hand-over

guards:
  errors: { max: 5%, minUnits: 50 }       # unit: one cohort key
  latency: { over: 5s, max: 5%, minUnits: 50 }
  unavailable: 30s
`;
}

const deployScript = `#!/usr/bin/env bash
# Moves traffic to a new release: full | canary PERCENT. A shim over \`crossfade deploy\`.
PATH="$(dirname "$0")/../node_modules/.bin:$PATH" exec crossfade deploy "$@"
`;

const backupScript = `#!/usr/bin/env bash
# Makes a backup and proves it by restoring it elsewhere. A shim over \`crossfade backup\`; options go to \`create\`.
set -euo pipefail
PATH="$(dirname "$0")/../node_modules/.bin:$PATH"
crossfade backup verify "$(crossfade backup create "$@")"
`;

const rollbackScript = `#!/usr/bin/env bash
# Goes back at once: ["reason"] [release | previous | route] [--dry-run]. A shim over \`crossfade rollback\`.
PATH="$(dirname "$0")/../node_modules/.bin:$PATH" exec crossfade rollback "$@"
`;
