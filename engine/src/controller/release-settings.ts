// The part of a release that crossfade.yaml decides: commands, health, routes and the headers they need,
// flags, cohort. Pure; where the code comes from is release-source.ts, environment values are in
// release-values.ts.
import type { ReleaseRequest } from '../api/control.ts';
import type { SpeechRoute } from '../api/route-table.ts';
import { resolveFrom, type Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import { definitionsOf, valuesOf } from '../flags/from-config.ts';
import { withoutRoute } from '../flags/routes-left.ts';
import { flagSetOf } from '../rollout/flags.ts';
import type { Release } from '../rollout/release.ts';

export type ReleaseSettings = Omit<
  Release,
  'id' | 'createdAt' | 'createdBy' | 'source' | 'identity' | 'values'
>;

/** What crossfade.yaml says; `routes` and `reversible` may be given with the request. */
export function settingsOf(
  { folder, config }: { readonly folder: string; readonly config: Config },
  request: Pick<ReleaseRequest, 'routes' | 'irreversible'> = {},
): ReleaseSettings {
  const { build, start } = config.app;
  const routes = routesOf(config, request.routes ?? config.speech.routes);
  const flags = valuesOf(config.flags);
  const flagSet = definitionsOf(config.flags);
  const bare = withoutRoute(routes, flagSetOf({ flags, flagSet }), []);
  if (bare !== undefined) {
    throw new CrossfadeError(
      'config-invalid',
      `the flags leave no speech route: ${bare}`,
      'see flags and speech.routes in crossfade.yaml',
    );
  }
  const { interval, timeout, ready } = config.health;
  return {
    app: {
      ...(build !== undefined && { build }),
      ...(start !== undefined && { start }),
      folder: config.app.folder,
      instances: config.app.driver === 'external' ? 1 : config.app.instances,
      driver: config.app.driver,
      ...(config.app.env.file !== undefined && { envFile: resolveFrom(folder, config.app.env.file) }),
      graceMs: config.app.grace,
      ...(config.app.memory.max !== undefined && { memoryMaxBytes: config.app.memory.max }),
      ...(config.app.scale.max !== undefined && { scaleMax: config.app.scale.max }),
    },
    health: {
      path: config.health.path,
      release: config.health.release,
      // What is proven by its process has nothing in its answer that could name the instance.
      instance: config.health.release === 'process' ? 'process' : config.health.instance,
      intervalMs: interval,
      timeoutMs: timeout,
      readyMs: ready,
    },
    routes,
    routeHeaders: Object.fromEntries(routes.map(({ name }) => [name, headersOf(config, name)])),
    flags,
    ...(Object.keys(flagSet).length > 0 && { flagSet }),
    cohort: config.cohort,
    reversible: request.irreversible !== true,
    ...(config.skew.pin !== undefined && { skewPinMs: config.skew.pin }),
  };
}

function routesOf(config: Config, names: readonly string[]): SpeechRoute[] {
  return names.map((name) => {
    const endpoint = config.speech.endpoints[name];
    if (!endpoint) {
      const known = Object.keys(config.speech.endpoints).join(', ') || 'none';
      throw new CrossfadeError(
        'unknown-route',
        `"${name}" is not one of speech.endpoints`,
        `there is: ${known}`,
      );
    }
    return { name, type: endpoint.type, url: endpoint.url, via: endpoint.via };
  });
}

function headersOf(config: Config, name: string): Release['routeHeaders'][string] {
  const entries = Object.entries(config.speech.endpoints[name]!.headers);
  return Object.fromEntries(
    entries.map(([key, value]) => [key, typeof value === 'string' ? { value } : value]),
  );
}
