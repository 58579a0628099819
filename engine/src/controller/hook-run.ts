// Runs one hook of crossfade.yaml: a shell command in the folder of that file, with a timeout, its output in
// .crossfade/logs/hooks.log. It hears what happened in CROSSFADE_* variables and gets no secret of the app.
// A hook that fails or hangs is a result like any other: it holds up nothing but what waits for it.
import { errorText } from '../errors.ts';
import type { OwedHook } from '../rollout/hooks.ts';
import { environmentNames } from '../rollout/rollout.ts';
import type { EffectWorld } from './effects.ts';

const textLimit = 300;
const inconclusive = 4;

export async function runHook(world: EffectWorld, hook: OwedHook, signal: AbortSignal): Promise<void> {
  const { clock } = world.host;
  const startedAt = clock.monotonic();
  world.activity(`${hook.hook} hook: ${hook.run}`);
  const { isOk, text } = await outcomeOf(world, hook, signal);
  if (signal.aborted) return;
  const tookMs = Math.round(clock.monotonic() - startedAt);
  await world.submit({ kind: 'hook-ended', id: hook.id, isOk, text, tookMs, at: clock.now() });
}

async function outcomeOf(world: EffectWorld, hook: OwedHook, signal: AbortSignal) {
  const { timeoutMs } = hook;
  const folder = world.folder;
  try {
    const { code, stdout, stderr } = await world.host.processes.run({
      command: 'sh',
      args: ['-c', hook.run],
      folder,
      env: {
        CROSSFADE_HOOK: hook.hook,
        CROSSFADE_HOOK_ID: hook.id,
        CROSSFADE_SERVICE: world.state().service,
        CROSSFADE_RELEASE: hook.release,
        CROSSFADE_ENVIRONMENT: environmentOf(world, hook.release),
        CROSSFADE_ROLLOUT: String(hook.rollout),
        CROSSFADE_REASON: hook.reason,
      },
      timeoutMs,
      logPath: `${folder}/.crossfade/logs/hooks.log`,
      signal,
    });
    const said = lastLine(stderr) || lastLine(stdout);
    if (code === 0) return { isOk: true, text: said || 'done' };
    // At 100 % what could not be told is no reason to move everybody; before traffic it is one to wait.
    if (code === inconclusive && hook.hook === 'validate-after')
      return { isOk: true, text: `not told: ${said}` };
    const ending = code === null ? `was ended after ${timeoutMs} ms` : `ended with ${code}`;
    return { isOk: false, text: `"${hook.run}" ${ending}${said ? `: ${said}` : ''}` };
  } catch (error) {
    return { isOk: false, text: `"${hook.run}" could not run: ${errorText(error)}` };
  }
}

/** Where the release is; empty where it is nowhere. */
function environmentOf(world: EffectWorld, release: string): string {
  const { environments } = world.state();
  return environmentNames.find((name) => environments[name].release === release) ?? '';
}

function lastLine(output: string): string {
  return output.trim().split('\n').at(-1)!.slice(0, textLimit);
}
