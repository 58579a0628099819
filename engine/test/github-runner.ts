// Runs a workflow as GitHub would, as far as ours needs it: jobs in the order of their needs, `if` and `env`
// with the contexts and functions that stand in it, each `run:` by bash with files for outputs and summary.
// It knows no action (`uses:` is passed over), no service and no matrix, and refuses what it does not know.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';

type Result = 'success' | 'failure' | 'cancelled' | 'skipped';
type Env = Readonly<Record<string, string>>;
type Step = {
  readonly id?: string;
  readonly name?: string;
  readonly if?: string;
  readonly run?: string;
  readonly uses?: string;
  readonly env?: Env;
};
export type Job = {
  readonly needs?: string | readonly string[];
  readonly if?: string;
  readonly env?: Env;
  readonly outputs?: Env;
  readonly steps: readonly Step[];
  readonly permissions?: Readonly<Record<string, string>>;
  readonly concurrency?: { readonly group: string };
  readonly environment?: { readonly name: string };
  readonly 'timeout-minutes'?: number;
};
export type Workflow = { readonly jobs: Readonly<Record<string, Job>> };

export type RunContext = {
  readonly folder: string;
  readonly event: 'push' | 'workflow_dispatch';
  readonly inputs?: Readonly<Record<string, string | boolean>>;
  readonly vars?: Env;
  readonly secrets?: Env;
  /** Of the runner; what a job with `id-token: write` gets besides stands in `idToken`. */
  readonly env: Env;
  readonly idToken?: Env;
};

export type JobEnd = { readonly result: Result; readonly outputs: Env; readonly log: string };
export type RunEnd = { readonly jobs: Readonly<Record<string, JobEnd>>; readonly summary: string };

export async function runWorkflow(text: string, context: RunContext): Promise<RunEnd> {
  const { jobs } = parse(text) as Workflow;
  const ends: Record<string, JobEnd> = {};
  const files = mkdtempSync(join(tmpdir(), 'crossfade-run-'));
  const summary = join(files, 'summary.md');
  writeFileSync(summary, '');
  try {
    for (const name of inOrder(jobs)) ends[name] = await runJob(jobs[name]!, ends, context, files, summary);
    return { jobs: ends, summary: readFileSync(summary, 'utf8') };
  } finally {
    rmSync(files, { recursive: true, force: true });
  }
}

export function needsOf({ needs = [] }: Job): readonly string[] {
  return typeof needs === 'string' ? [needs] : needs;
}

function inOrder(jobs: Workflow['jobs']): string[] {
  const order: string[] = [];
  const visit = (name: string): void => {
    if (order.includes(name)) return;
    for (const each of needsOf(jobs[name]!)) visit(each);
    order.push(name);
  };
  for (const name of Object.keys(jobs)) visit(name);
  return order;
}

async function runJob(
  job: Job,
  ends: Readonly<Record<string, JobEnd>>,
  context: RunContext,
  files: string,
  summary: string,
): Promise<JobEnd> {
  const needs = Object.fromEntries(needsOf(job).map((name) => [name, ends[name]!]));
  const isUsual = Object.values(needs).every(({ result }) => result === 'success');
  const { inputs = {}, vars = {}, secrets = {} } = context;
  const steps: Record<string, { outputs: Env }> = {};
  const values = { needs, inputs, vars, secrets, steps, github: { event_name: context.event } };
  const condition = job.if ?? 'success()';
  const isWanted =
    (condition.includes('always()') || isUsual) && evaluated(condition, values, isUsual) === true;
  if (!isWanted) return { result: 'skipped', outputs: {}, log: '' };
  let [log, result]: [string, Result] = ['', 'success'];
  for (const step of job.steps) {
    if (step.run === undefined || result === 'failure') continue;
    if (step.if !== undefined && evaluated(step.if, values, true) !== true) continue;
    const output = join(files, 'output');
    writeFileSync(output, '');
    const env = {
      ...context.env,
      ...(job.permissions?.['id-token'] === 'write' ? context.idToken : {}),
      ...{ GITHUB_ACTIONS: 'true', CI: 'true', GITHUB_EVENT_NAME: context.event },
      ...{ GITHUB_OUTPUT: output, GITHUB_STEP_SUMMARY: summary },
      ...filled({ ...job.env, ...step.env }, values),
    };
    const { code, text } = await bash(step.run, context.folder, env);
    log += `$ ${step.run}\n${text}`;
    if (step.id !== undefined) steps[step.id] = { outputs: read(output) };
    if (code !== 0) result = 'failure';
  }
  return { result, outputs: filled(job.outputs ?? {}, values), log };
}

function filled(env: Env, values: object): Record<string, string> {
  const fill = (text: string): string =>
    text.replace(/\$\{\{(.*?)\}\}/g, (_whole, expression: string) => {
      const value = evaluated(expression, values, true);
      return value === undefined || value === null ? '' : String(value);
    });
  return Object.fromEntries(Object.entries(env).map(([name, text]) => [name, fill(String(text))]));
}

const known = /^(?:[\w.]+|'[^']*'|==|!=|&&|\|\||[!(),\s])+$/;

/** GitHub's expressions are near enough to JavaScript's for what stands in ours. */
function evaluated(text: string, values: object, isUsual: boolean): unknown {
  const expression = text.trim().replace(/^\$\{\{|\}\}$/g, '');
  if (!known.test(expression)) throw new Error(`an expression this runner does not know: ${expression}`);
  const functions = {
    always: () => true,
    success: () => isUsual,
    contains: (whole: string, part: string) => whole.includes(part),
    toJSON: (value: unknown) =>
      JSON.stringify(value, (name, each: unknown) => (name === 'log' ? undefined : each)),
  };
  const scope = { ...functions, ...values };
  // A property of nothing is nothing, where JavaScript would throw.
  const safe = expression.replace(/(\w)\.(?=\w)/g, '$1?.').replace(/==|!=/g, (sign) => `${sign}=`);
  return new Function(...Object.keys(scope), `return (${safe});`)(...Object.values(scope)) as unknown;
}

/** name=value lines. */
function read(path: string): Env {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.includes('='));
  return Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
}

async function bash(script: string, cwd: string, env: Env): Promise<{ code: number | null; text: string }> {
  // As GitHub runs `shell: bash`.
  const options = ['--noprofile', '--norc', '-eo', 'pipefail', '-c', script];
  const child = spawn('bash', options, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (part: string) => void (text += part));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, text };
}
