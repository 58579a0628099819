// The watch over a bake: every guard that changes is told at once, without grouping, at its warning already;
// and what happened is summed up every so often. To the terminal, and to Slack where there is a webhook.
import type { ControlClient } from '../api/client.ts';
import type { RolloutView } from '../api/control.ts';
import { durationMs } from '../config-schema.ts';
import { CrossfadeError } from '../errors.ts';
import { span } from './preflight-running.ts';
import { say } from './render.ts';
import { tellSlack } from './slack.ts';

const lookMs = 1_000;
const digestMs = 3_600_000;
const hourDays = 1 / 24;
const good = new Set(['clear', 'safe']);

/** Resolves when the bake is over, with whether Ctrl-C ended the watch before. */
export async function watchBake(
  client: ControlClient,
  rollout: number,
  options: { readonly digest?: string; readonly json?: boolean },
): Promise<boolean> {
  const everyMs = digestOf(options.digest);
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  const states = new Map<string, string>();
  let digestAt = performance.now() + everyMs;
  const tell = async (text: string): Promise<void> => {
    say(text);
    const told = await tellSlack(text);
    if (told.kind === 'failed') say(`Slack: ${told.text}`);
  };
  if (!process.env['SLACK_WEBHOOK_URL'])
    say('alerts and digests are shown here alone: there is no SLACK_WEBHOOK_URL');
  while (!stop.signal.aborted) {
    const { rollout: seen } = await client.status();
    if (seen?.number !== rollout || seen.phase !== 'baking') break;
    for (const alert of alertsOf(seen, states)) await tell(alert);
    if (performance.now() >= digestAt) {
      digestAt += everyMs;
      await tell(await digestText(client, seen));
    }
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  process.off('SIGINT', interrupt);
  if (stop.signal.aborted) say('watching ended; the bake goes on: `crossfade golive` watches again');
  return stop.signal.aborted;
}

function digestOf(text: string | undefined): number {
  const ms = text === undefined ? digestMs : durationMs(text);
  if (ms !== undefined && ms >= 1_000) return ms;
  throw new CrossfadeError(
    'usage',
    `"${text}" is not a duration of at least a second`,
    'such as --digest 1h',
  );
}

/** What changed for the worse, and what came right again. */
function alertsOf({ release, guards }: RolloutView, states: Map<string, string>): string[] {
  return guards.flatMap(({ guard, state, text }) => {
    const before = states.get(guard);
    states.set(guard, state);
    if (before === state || state === 'unknown') return [];
    if (!good.has(state)) return [`ALERT ${release}: guard ${guard} is ${state}: ${text}`];
    return before === undefined || before === 'unknown' || good.has(before)
      ? []
      : [`${release}: guard ${guard} is ${state} again: ${text}`];
  });
}

async function digestText(client: ControlClient, { release, until, guards }: RolloutView): Promise<string> {
  const { releases } = await client.usage(hourDays);
  const used = releases.find(({ name }) => name === release);
  const left = until === undefined ? '' : `, ${span(Math.max(0, until - Date.now()))} left`;
  const asked = used ? `${used.requests} requests, ${used.failed} failed in the last hour` : 'no requests';
  const states = guards.map(({ guard, state }) => `${guard} ${state}`).join(', ');
  return `bake of ${release}${left}: ${asked}; guards: ${states || 'none'}`;
}
