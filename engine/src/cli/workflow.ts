// `crossfade workflow generate | plan | report`: the first writes the project's GitHub Actions workflow, the
// other two are what its jobs call. What GitHub gives a step (files for outputs and summary) is used where it
// is there, so the same commands run anywhere.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { workflowPath, workflowText, type PackageTool } from '../workflow/workflow-file.ts';
import { workflowPlan } from '../workflow/workflow-plan.ts';
import { workflowReport } from '../workflow/workflow-report.ts';
import type { Config } from '../config.ts';
import { findFolder, project, type GlobalOptions, type Project } from './connection.ts';
import { print, printJson, say } from './render.ts';
import { tellSlack } from './slack.ts';

export type GenerateOptions = GlobalOptions & {
  readonly dryRun?: boolean;
  readonly check?: boolean;
  readonly force?: boolean;
};

export async function generateWorkflow(options: GenerateOptions): Promise<ExitCode> {
  const folder = findFolder(options) ?? resolve(options.folder ?? '.');
  const destinations = existsSync(join(folder, 'crossfade.yaml')) ? project(options).config.destinations : {};
  const text = madeText(folder, destinations);
  const path = join(folder, workflowPath);
  const present = existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  if (options.dryRun) {
    print(text.trimEnd());
    return 0;
  }
  if (options.check) return checked(present, text);
  if (present !== undefined && present !== text && !options.force) {
    const hint = '`crossfade workflow generate --force` writes over it, `--dry-run` shows what it would be';
    throw new CrossfadeError('refused', `${workflowPath} is there and was changed`, hint);
  }
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  say(`${present === text ? 'as it was ' : 'written   '} ${workflowPath}`);
  const missing = ['staging', 'production'].filter((name) => destinations[name] === undefined);
  for (const name of missing) say(`lacks      destinations.${name} in crossfade.yaml`);
  say('next: commit it; make the environments and variables that its first lines name');
  return 0;
}

function madeText(folder: string, destinations: Config['destinations']): string {
  const hasStaging = destinations['staging'] !== undefined || destinations['production'] === undefined;
  return workflowText({ manager: managerOf(folder), hasStaging });
}

/** Whether the workflow of this folder is as it would be made now. */
export function isWorkflowCurrent({ folder, config }: Project): boolean {
  return readFileSync(join(folder, workflowPath), 'utf8') === madeText(folder, config.destinations);
}

function checked(present: string | undefined, text: string): ExitCode {
  if (present === text) {
    say(`${workflowPath} is as made`);
    return 0;
  }
  say(`${workflowPath} ${present === undefined ? 'is missing' : 'differs from what would be made'}`);
  say('next: `crossfade workflow generate`, with --force where it was changed by hand');
  return 1;
}

function managerOf(folder: string): PackageTool {
  if (existsSync(join(folder, 'pnpm-lock.yaml'))) return 'pnpm';
  return existsSync(join(folder, 'yarn.lock')) ? 'yarn' : 'npm';
}

/** Its lines are the outputs of the step. */
export async function planWorkflow(options: GlobalOptions): Promise<ExitCode> {
  const { rule, ...plan } = workflowPlan(process.env);
  const lines = Object.entries(plan).map(([name, value]) => `${name}=${value}`);
  appendTo('GITHUB_OUTPUT', lines.join('\n'));
  const where = plan.to === '' ? 'the previous release' : plan.to;
  const act = plan.action === 'deploy' ? `deploy ${plan.way}` : `roll back to ${where}`;
  const sentence = `${act}${plan.flags === '' ? '' : ', dry run'}`;
  appendTo('GITHUB_STEP_SUMMARY', rule === undefined ? sentence : `${sentence}: ${rule}`);
  if (rule !== undefined) say(rule);
  if (options.json) printJson({ ...plan, ...(rule !== undefined && { rule }) });
  else print(lines.join('\n'));
  return 0;
}

/** Nobody told is no failure of what was deployed: it is said, and the run ends as it went. */
export async function reportWorkflow(options: GlobalOptions): Promise<ExitCode> {
  const { sentence, isGood, table } = workflowReport(process.env['NEEDS'] ?? '');
  appendTo('GITHUB_STEP_SUMMARY', `## ${sentence}\n\n${table}\n`);
  const told = await tellSlack(`${isGood ? '✅' : '🛑'} ${runName()}: ${sentence}`);
  if (told.kind === 'failed') warn(told.text);
  if (options.json) printJson({ sentence, isGood, slack: told.text });
  else print(`${sentence}\nSlack: ${told.text}`);
  return 0;
}

function runName(): string {
  const { GITHUB_REPOSITORY: repository, GITHUB_SERVER_URL: server, GITHUB_RUN_ID: run } = process.env;
  if (repository === undefined) return 'crossfade';
  return `<${server ?? 'https://github.com'}/${repository}/actions/runs/${run ?? ''}|${repository}>`;
}

function warn(text: string): void {
  if (process.env['GITHUB_ACTIONS'] === 'true') print(`::warning title=Slack::${text}`);
}

/** Does nothing outside of a job. */
function appendTo(variable: 'GITHUB_OUTPUT' | 'GITHUB_STEP_SUMMARY', text: string): void {
  const path = process.env[variable];
  if (path) appendFileSync(path, `${text}\n`);
}
