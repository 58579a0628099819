// The acts of a rollout as the dialog shows them. What was looked at is what is meant: each carries the
// number of the rollout that was on the screen, and over another one it is refused.
import type { StatusView } from '../../engine/src/api/control.ts';
import type { ReleaseView } from '../../engine/src/api/releases.ts';
import { reasonField, type Act, type Choice } from './act.tsx';
import { ask } from './talk.ts';
import { isUnfinished, phaseKind } from './words.ts';

export type RolloutVerb =
  'promote' | 'pause' | 'resume' | 'approve' | 'retry' | 'route' | 'abort' | 'rollback';

/** Which of them have a meaning now. */
export function possibleVerbs({ rollout, environments }: StatusView): readonly RolloutVerb[] {
  const phase = phaseKind(rollout?.phase);
  const verbs: RolloutVerb[] = [];
  if (['stepping', 'paused', 'baking', 'stuck'].includes(phase)) verbs.push('promote');
  if (phase === 'stepping') verbs.push('pause');
  if (phase === 'paused') verbs.push('resume');
  const step = rollout?.step === undefined ? undefined : rollout.steps[rollout.step];
  if (step?.approval !== undefined && isUnfinished(rollout?.phase)) verbs.push('approve');
  if (phase === 'stuck') verbs.push('retry');
  if (environments.some(({ routes }) => routes.length > 1)) verbs.push('route');
  if (isUnfinished(rollout?.phase)) verbs.push('abort');
  if (environments.some(({ release }) => release !== undefined)) verbs.push('rollback');
  return verbs;
}

export const verbTexts: Readonly<Record<RolloutVerb, string>> = {
  promote: 'Promote',
  pause: 'Pause',
  resume: 'Resume',
  approve: 'Approve',
  retry: 'Retry',
  route: 'Use route',
  abort: 'Abort',
  rollback: 'Roll back',
};

export function verbAct(verb: RolloutVerb, status: StatusView): Act {
  const { rollout, environments } = status;
  const stable = environments.find(({ role }) => role === 'stable')?.release;
  const release = rollout && isUnfinished(rollout.phase) ? rollout.release : stable;
  const meant = rollout === undefined ? {} : { onlyRollout: rollout.number };
  const confirm = verbTexts[verb];
  const common = { confirm, path: `/v1/${verb}`, needs: verb, body: meant } as const;
  if (verb === 'promote') {
    const full = { name: 'full', label: 'all the way to 100 %, at once', kind: 'check' } as const;
    return { ...common, title: `Promote ${release}?`, fields: [full] };
  }
  if (verb === 'route') {
    const names = [...new Set(environments.flatMap(({ routes }) => routes))];
    const choices = names.map((value) => ({ value, text: value }));
    const route = {
      name: 'route',
      label: 'Put first, live',
      kind: 'choice',
      first: names[0]!,
      choices,
    } as const;
    return { ...common, title: `Use another speech route for ${release}?`, fields: [route], body: {} };
  }
  if (verb === 'rollback')
    return {
      ...common,
      title: `Roll back from ${release}?`,
      isDanger: true,
      fields: [
        {
          name: 'to',
          label: 'Back to',
          kind: 'choice',
          first: 'previous',
          choices: [{ value: 'previous', text: 'the previous stable release' }],
          moreChoices: () => destinations(isUnfinished(rollout?.phase)),
        },
        { ...reasonField, isAlwaysSent: true },
      ],
      // A rollback is meant whatever the rollout's number is by then.
      body: {},
    };
  return {
    ...common,
    title: `${confirm} the rollout of ${release}?`,
    isDanger: verb === 'abort',
    fields: [reasonField],
  };
}

/** Releases that were stable once, newest first, and the routes by which one can be named. */
async function destinations(isUnderWay: boolean): Promise<readonly Choice[]> {
  const { releases } = await ask<{ releases: readonly ReleaseView[] }>('/v1/releases');
  const past = releases
    .filter(({ state }) => /stable|standby/.test(state) && (isUnderWay || !state.startsWith('stable')))
    .reverse();
  const routes = [...new Set(past.flatMap(({ routes: [first] }) => first ?? []))];
  return [
    ...past.map(({ id, state, routes: all }) => ({
      value: id,
      text: [id, state, ...(all.length > 0 ? [all.join(' → ')] : [])].join(', '),
    })),
    ...routes.map((route) => ({ value: route, text: `the newest stable one that starts with ${route}` })),
  ];
}
