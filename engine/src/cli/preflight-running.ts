// The lines of a preflight that the running service answers for: that it is well and nothing holds it, a
// backup that was verified lately, a rollback that was shown to work lately.
import type { ControlClient } from '../api/client.ts';
import type { Config } from '../config.ts';
import type { PreflightLine } from './preflight.ts';

export function runningLines(client: ControlClient, config: Config): PreflightLine[] {
  const { backupWithin, rehearsedWithin } = config.preflight;
  return [
    {
      line: 'service',
      todo: 'see `crossfade status`',
      look: async () => {
        const { environments, overrides, freezes = [], warnings } = await client.status();
        const stable = environments.find(({ role }) => role === 'stable');
        if (!stable) return { verdict: 'fail', text: 'nothing serves yet' };
        const ready = stable.instances.filter(({ state }) => state === 'ready').length;
        const troubles = [
          ...(ready < stable.instances.length || ready === 0
            ? [`${ready} of ${stable.instances.length} instances are ready`]
            : []),
          ...overrides.map(
            ({ kind, environment }) => `the gateway obeys an override: ${kind} to ${environment}`,
          ),
          ...freezes.map(({ reason }) => `frozen: ${reason}`),
          ...warnings,
        ];
        if (troubles.length > 0) return { verdict: 'fail', text: troubles.join('; ') };
        return {
          verdict: 'pass',
          text: `${stable.release} serves, ${ready} of ${stable.instances.length} instances ready`,
        };
      },
    },
    {
      line: 'backup',
      todo: '`crossfade backup create`, then `crossfade backup verify`',
      look: async () => {
        const { backup, at } = await client.readiness();
        if (!backup) return { verdict: 'fail', text: 'no backup was verified' };
        const ageMs = at - backup.at;
        const text = `${backup.id} was verified; made ${span(ageMs)} ago, limit ${span(backupWithin)}`;
        return { verdict: ageMs <= backupWithin ? 'pass' : 'fail', text };
      },
    },
    {
      line: 'rollback',
      todo: '`crossfade drill rollback` rehearses one',
      look: async () => {
        const { rehearsal, at } = await client.readiness();
        if (!rehearsal) return { verdict: 'fail', text: 'no rollback was rehearsed' };
        const { kind, rollout, isOk, tookMs } = rehearsal;
        const ageMs = at - rehearsal.at;
        const what = `${kind === 'drill' ? 'rehearsed' : 'a real one'} ${span(ageMs)} ago (rollout ${rollout})`;
        if (!isOk) return { verdict: 'fail', text: `${what}, NOT as it should: ${rehearsal.text}` };
        const text = `${what} in ${tookMs} ms, limit ${span(rehearsedWithin)}`;
        return { verdict: ageMs <= rehearsedWithin ? 'pass' : 'fail', text };
      },
    },
  ];
}

export function span(ms: number): string {
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`;
  if (ms < 7_200_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} d`;
}
