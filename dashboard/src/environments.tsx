// Who gets the traffic: the split as one bar, and a card for each environment with its instances, sessions by
// route, and what is still connected.
import type { StatusView } from '../../engine/src/api/control.ts';
import { Facts } from './parts.tsx';
import { phaseText } from './words.ts';

type Environment = StatusView['environments'][number];

/** Below this share a part of the bar has no room for its release. */
const roomyPercent = 25;
const smallestNamedPercent = 12;

const roles: Readonly<Record<string, string>> = {
  stable: '■ stable',
  candidate: '▲ candidate',
  standby: '○ standby',
  empty: '· empty',
};

export function Split({ environments }: { environments: readonly Environment[] }) {
  const shares = environments.filter(({ weightPercent }) => weightPercent > 0);
  const label = shares
    .map(({ environment, weightPercent }) => `${environment} ${weightPercent} %`)
    .join(', ');
  return (
    <div class="split" role="img" aria-label={`Traffic: ${label || 'none'}`}>
      {shares.map(({ environment, release, weightPercent }) => (
        <div key={environment} class={environment} style={{ width: `${weightPercent}%` }}>
          {weightPercent >= roomyPercent && <span class="roomy">{`${environment} ${release ?? ''} `}</span>}
          {weightPercent >= smallestNamedPercent && `${weightPercent} %`}
        </div>
      ))}
    </div>
  );
}

export function Environments({ environments }: { environments: readonly Environment[] }) {
  return (
    <section class="environments" aria-label="Environments">
      {environments.map((each) => (
        <EnvironmentCard key={each.environment} of={each} />
      ))}
    </section>
  );
}

function EnvironmentCard({ of }: { of: Environment }) {
  const { environment, role, release, weightPercent, instances, routes, sessions, leases } = of;
  const ready = instances.filter(({ state }) => state === 'ready').length;
  const others = instances.flatMap(({ state }) => (state === 'ready' ? [] : [phaseText(state)])).join(', ');
  const facts = [
    [
      'Instances',
      instances.length === 0 ? 'none' : `${ready} of ${instances.length} ready${others && ` (${others})`}`,
    ],
    ['Sessions', String(sessions)],
    ['Connections', `${leases.upgraded} upgraded, ${leases.requests} requests in flight`],
    ['Routes', routes.length === 0 ? 'none' : routes.join(' → ')],
  ] as const;
  return (
    <article class={`sheet environment ${environment}`}>
      <div class="top">
        <h2>{environment}</h2>
        <span class="role">{roles[role] ?? role}</span>
        <b>{release ?? 'no release'}</b>
      </div>
      <p>{weightPercent} % of keys</p>
      <div class="bar" role="presentation">
        <div style={{ width: `${weightPercent}%` }} />
      </div>
      <Facts facts={facts} />
    </article>
  );
}
