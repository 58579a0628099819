// From a release to what its driver and the gateway need to run it: environment values and the headers of
// relayed endpoints. Values are read where they are kept, given to the process or to the gateway, and never
// journaled.
import { parseEnv } from 'node:util';
import type { ReleaseSpec } from '../environment/environment-driver.ts';
import type { Host } from '../host.ts';
import { environmentNames, releaseOf, type Release, type State } from '../rollout/rollout.ts';
import type { RelaySecrets } from './gateway-link.ts';

/** `extra` wins over the release's own environment file. */
export function specOf(host: Host, release: Release, extra: Readonly<Record<string, string>>): ReleaseSpec {
  const { build, start, folder, instances } = release.app;
  return {
    release: release.id,
    source: release.source,
    ...(build !== undefined && { build }),
    ...(start !== undefined && { start }),
    folder,
    env: { ...fileValues(host, release), ...extra },
    instances,
    health: release.health,
  };
}

/** The headers of every relayed route of the releases that an environment holds. */
export function relaySecrets(host: Host, state: State): RelaySecrets {
  const held = environmentNames.flatMap((name) => state.environments[name].release ?? []);
  return Object.fromEntries(held.map((id) => [id, routeHeaders(host, releaseOf(state, id)!)]));
}

function routeHeaders(host: Host, release: Release): RelaySecrets[string] {
  const values = { ...fileValues(host, release) };
  const valueOf = (each: { env: string } | { value: string }): string =>
    'value' in each ? each.value : (values[each.env] ?? process.env[each.env] ?? '');
  return Object.fromEntries(
    Object.entries(release.routeHeaders).map(([route, headers]) => [
      route,
      Object.fromEntries(Object.entries(headers).map(([name, each]) => [name, valueOf(each)])),
    ]),
  );
}

function fileValues(host: Host, release: Release): Record<string, string> {
  const text = release.app.envFile === undefined ? undefined : host.files.read(release.app.envFile);
  return text === undefined ? {} : (parseEnv(text) as Record<string, string>);
}
