// The watch over a bake, as far as this terminal goes: every guard that changes is shown at once, at its
// warning already, and each digest as the controller makes it. Whom else it tells is `notify` in
// crossfade.yaml, also when nobody watches here.
import type { ControlClient } from '../api/client.ts';
import type { RolloutView } from '../api/control.ts';
import { notifyView } from '../api/notify.ts';
import { say } from './render.ts';

const lookMs = 1_000;
const good = new Set(['clear', 'safe']);

/** Resolves when the bake is over, with whether Ctrl-C ended the watch before. */
export async function watchBake(client: ControlClient, rollout: number): Promise<boolean> {
  const stop = new AbortController();
  const over = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  const { channels } = await client.notify(notifyView);
  if (channels.length <= 1)
    say(
      'alerts and digests are shown here alone: `notify.channels` in crossfade.yaml names who else is told',
    );
  void followDigests(client, AbortSignal.any([stop.signal, over.signal]));
  const states = new Map<string, string>();
  while (!stop.signal.aborted) {
    const { rollout: seen } = await client.status();
    if (seen?.number !== rollout || seen.phase !== 'baking') break;
    for (const alert of alertsOf(seen, states)) say(alert);
    await new Promise((resolve) => setTimeout(resolve, lookMs));
  }
  over.abort();
  process.off('SIGINT', interrupt);
  if (stop.signal.aborted) say('watching ended; the bake goes on: `crossfade golive` watches again');
  return stop.signal.aborted;
}

/** A stream that breaks costs a digest on this screen, and nothing else. */
async function followDigests(client: ControlClient, signal: AbortSignal): Promise<void> {
  const { position } = await client.status();
  const show = ({ kind, text }: { kind: string; text: string }): void => {
    if (kind === 'digest-made') say(text);
  };
  await client.events(position, show, signal).catch(() => undefined);
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
