// From a release to what its driver and the gateway need to run it: environment values and the headers of
// relayed endpoints, as they were sealed. Values are given to the process or to the gateway, and never
// journaled.
import type { ReleaseSpec } from '../environment/environment-driver.ts';
import type { Release } from '../rollout/release.ts';
import { environmentNames, releaseOf, type State } from '../rollout/rollout.ts';
import type { RelaySecrets } from './gateway-link.ts';
import type { ReleaseValues } from './release-values.ts';
import type { Opened } from './sealed-files.ts';

/** `extra` wins over the release's own values. */
export function specOf(
  release: Release,
  opened: Opened,
  extra: Readonly<Record<string, string>>,
): ReleaseSpec {
  const { build, start, folder, instances } = release.app;
  return {
    release: release.id,
    source: release.source,
    ...(build !== undefined && { build }),
    ...(start !== undefined && { start }),
    folder,
    env: { ...(opened.kind === 'values' && opened.values.env), ...extra },
    ...(opened.kind === 'unreadable' && { unreadable: opened.text }),
    instances,
    health: release.health,
  };
}

/**
 * The headers of every relayed route of the releases that an environment holds; null for one whose values
 * cannot be read: the gateway keeps those it has.
 */
export function relaySecrets(state: State, open: (release: Release) => Opened): RelaySecrets {
  const held = environmentNames.flatMap((name) => state.environments[name].release ?? []);
  return Object.fromEntries(
    held.map((id) => {
      const release = releaseOf(state, id)!;
      const opened = open(release);
      return [id, opened.kind === 'values' ? routeHeaders(release, opened.values) : null];
    }),
  );
}

function routeHeaders(
  release: Release,
  { env, relay }: ReleaseValues,
): Record<string, Record<string, string>> {
  const valueOf = (each: { env: string } | { value: string }): string => {
    if ('value' in each) return each.value;
    // The last is for releases from before values were sealed.
    return env[each.env] ?? relay[each.env] ?? process.env[each.env] ?? '';
  };
  return Object.fromEntries(
    Object.entries(release.routeHeaders).map(([route, headers]) => [
      route,
      Object.fromEntries(Object.entries(headers).map(([name, each]) => [name, valueOf(each)])),
    ]),
  );
}
