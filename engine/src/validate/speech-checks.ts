// Is somebody who speaks understood: the synthetic caller (speech-probe.ts) through the real path.
import { fail, judge, pass, skipped, unknown, type Check, type Outcome, type World } from './check.ts';
import { documentCookie, probe, type ProbeResult } from './speech-probe.ts';
import { readWav } from './wav.ts';

type Speech = NonNullable<World['speech']>;
const probed = new WeakMap<World, Promise<ProbeResult>>();

/** One conversation for all of these checks. */
function talked(world: World, speech: Speech): Promise<ProbeResult> {
  const known = probed.get(world);
  if (known) return known;
  const { planPath, headers, clip, text, language } = speech;
  const run = (async () =>
    probe({
      ...{ origin: world.site.origin, planPath, headers, samples: readWav(clip), text, isHandedOver: false },
      ...(language !== undefined && { language }),
    }))();
  probed.set(world, run);
  return run;
}

function onSpeech(look: (speech: Speech, result: ProbeResult) => Outcome): Check['run'] {
  return async (world) => {
    if (!world.speech) return skipped('validate.speech in crossfade.yaml names no plan');
    return look(world.speech, await talked(world, world.speech));
  };
}

const asPercent = (share: number): string => `${(share * 100).toFixed(0)} %`;

export const speechChecks: readonly Check[] = [
  {
    ...{ id: 'speech.plan', suite: 'speech', severity: 'critical' },
    what: 'somebody who is signed in gets a plan with routes, a stranger does not',
    threshold: '200 with a route; 401 or 403 without credentials where there are any',
    todo: 'put the plan behind your authentication, and look at its routes',
    async run({ site, speech }) {
      if (!speech) return skipped('validate.speech in crossfade.yaml names no plan');
      const ask = (headers: Readonly<Record<string, string>>) =>
        site.ask(speech.planPath, {
          ...{ method: 'POST', body: '{}' },
          headers: { 'content-type': 'application/json', ...headers },
        });
      const cookie = await documentCookie(site.origin, speech.headers);
      const { body, status } = await ask({ ...speech.headers, ...(cookie !== '' && { cookie }) });
      const count = status === 200 ? routesIn(body) : 0;
      if (count === 0) return fail(`status ${status}, ${count} routes`);
      const stranger = await ask({});
      const isPublic = stranger.status === 200 && Object.keys(speech.headers).length === 0;
      if (isPublic) return pass(`${count} routes, to anybody`);
      return judge([401, 403].includes(stranger.status), `${count} routes; a stranger: ${stranger.status}`);
    },
  },
  {
    ...{ id: 'speech.words', suite: 'speech', severity: 'critical' },
    what: 'what is said is what is written',
    threshold: 'word error rate within validate.speech.errors (25 %)',
    todo: 'listen to the clip, and look at the route and the language',
    run: onSpeech(({ errors }, { wordErrorRate, heard, routes }) =>
      judge(
        wordErrorRate <= errors,
        `${asPercent(wordErrorRate)} by ${routes.join(', ')}: "${heard.slice(0, 100)}"`,
      ),
    ),
  },
  {
    ...{ id: 'speech.first-text', suite: 'speech', severity: 'high' },
    what: 'the first text comes soon',
    threshold: 'within validate.speech.firstText (2 s)',
    todo: 'see the latency of the route; does the vendor send partials?',
    run: onSpeech(({ firstTextMs: limit }, { firstTextMs }) =>
      firstTextMs === undefined ? unknown('no text came') : judge(firstTextMs < limit, `${firstTextMs} ms`),
    ),
  },
  {
    ...{ id: 'speech.whole', suite: 'speech', severity: 'high' },
    what: 'every sample is answered for, without trouble on the way',
    threshold: 'nothing lost, no route failed',
    todo: 'see which route failed and why',
    run: onSpeech((_speech, { lostSamples, troubles }) =>
      judge(lostSamples === 0 && troubles.length === 0, troubles[0] ?? `${lostSamples} samples lost`),
    ),
  },
];

function routesIn(body: string): number {
  try {
    return (JSON.parse(body) as { routes?: unknown[] }).routes?.length ?? 0;
  } catch {
    // No JSON: no plan.
    return 0;
  }
}
