// What a run of the workflow is to do, from what started it. Conflicts are settled here, with the rule said:
// `force_rollback` wins over every strategy.
import { CrossfadeError } from '../errors.ts';

type Env = Readonly<Record<string, string | undefined>>;

/** Texts as the jobs after it get them. */
export type WorkflowPlan = {
  readonly action: 'deploy' | 'rollback';
  /** `full`, or `canary` and its first weight. */
  readonly way: string;
  readonly flags: '' | '--dry-run';
  readonly reason: string;
  /** Where a rollback goes; empty for the previous release. */
  readonly to: string;
  /** How a conflict of inputs was settled. */
  readonly rule?: string;
};

/** Throws `usage` for what the inputs cannot mean. A push to main is a canary of 10 %. */
export function workflowPlan(env: Env): WorkflowPlan {
  const isPush = env['GITHUB_EVENT_NAME'] === 'push';
  const strategy = isPush ? 'canary' : (env['STRATEGY'] ?? '').trim() || 'canary';
  const isForced = flagOf(env, 'FORCE_ROLLBACK');
  const percent = percentOf((env['PERCENTAGE'] ?? '').trim() || '10');
  const { GITHUB_RUN_ID: run = 'unknown', GITHUB_ACTOR: actor = 'unknown' } = env;
  const common = {
    flags: flagOf(env, 'DRY_RUN') ? '--dry-run' : '',
    reason: plain(env, 'REASON') || `asked for by ${actor} in run ${run}`,
    to: plain(env, 'TO'),
  } as const;
  if (!['blue-green', 'canary', 'rollback'].includes(strategy)) {
    const text = `STRATEGY "${strategy}" is not blue-green, canary or rollback`;
    throw new CrossfadeError('usage', text, 'choose one of them');
  }
  const way = strategy === 'blue-green' ? 'full' : `canary ${percent}`;
  if (strategy === 'rollback') return { action: 'rollback', way, ...common };
  if (!isForced) return { action: 'deploy', way, ...common };
  const rule = `force_rollback wins over deployment_strategy ${strategy}`;
  return { action: 'rollback', way, ...common, rule };
}

function flagOf(env: Env, name: string): boolean {
  const text = (env[name] ?? '').trim();
  if (['', 'true', 'false'].includes(text)) return text === 'true';
  throw new CrossfadeError('usage', `${name} "${text}" is not true or false`, 'choose one of them');
}

function percentOf(text: string): number {
  const percent = Number(text);
  if (Number.isInteger(percent) && percent >= 1 && percent <= 100) return percent;
  throw new CrossfadeError('usage', `PERCENTAGE "${text}" is not a whole number from 1 to 100`, 'such as 10');
}

/** One line: a line break would begin another output. */
function plain(env: Env, name: string): string {
  const text = (env[name] ?? '').trim();
  if (text.length <= 500 && !/\p{Cc}/u.test(text)) return text;
  throw new CrossfadeError('usage', `${name} is longer than 500 characters or has line breaks`, 'shorten it');
}
