// A release as names and texts by area (code, commands, settings, health, cohort, routes, flags, environment
// values as hashes), and what differs between two, as rows. Pure. One list serves `crossfade releases rN`,
// `crossfade diff`, what a rollback restores, and what was edited on disk since.
import type { ReleaseChange } from '../api/releases.ts';
import { definedFlags, flagsInForce } from '../rollout/flags.ts';
import type { Release } from '../rollout/release.ts';
import { routesInForce, type Overlay, type State } from '../rollout/rollout.ts';
import { sourceText } from './views.ts';

/** Everything of a release that can differ; `source` is left out where code is not compared. */
export type Compared = Omit<Release, 'id' | 'createdAt' | 'createdBy' | 'identity' | 'source'> & {
  readonly source?: Release['source'];
};

type Area = ReleaseChange['area'];

/** From the first to the second, in the order of the areas. */
export function changesBetween(from: Compared, to: Compared): ReleaseChange[] {
  const [before, after] = [areasOf(from), areasOf(to)];
  return Object.keys(before).flatMap((area) =>
    area === 'value' && !(from.values && to.values)
      ? unknownValues(from, to)
      : rows(area as Area, before[area as Area], after[area as Area]),
  );
}

/** The release as it is, or was sealed: with the live edits of the overlay. */
export function withOverlay(state: State, release: Release, overlay: Overlay): Release {
  const edited = { ...state, overlays: { [release.id]: overlay } };
  const flagSet = definedFlags(edited, release);
  const flags = flagsInForce(edited, release);
  return { ...release, routes: routesInForce(edited, release), flags, ...(flagSet && { flagSet }) };
}

/** One line for people. */
export function changeText({ area, name, kind, from, to }: ReleaseChange): string {
  const what = area === name || name === 'order' ? area : `${area} ${name}`;
  if (from === undefined && to === undefined) return `${what}: ${kind}`;
  return `${what}: ${from ?? 'not there'} → ${to ?? 'not there'}`;
}

/** All of a release for people; of environment values the names. */
export function sectionsOf(release: Release): { title: string; lines: string[] }[] {
  return Object.entries(areasOf(release)).map(([title, named]) => ({
    title,
    lines: Object.entries(named).map(([name, text]) => (title === 'value' ? name : `${name}: ${text}`)),
  }));
}

function areasOf(release: Compared): Record<Area, Readonly<Record<string, string>>> {
  const { source, app, health, routes, flags, cohort, reversible, values } = release;
  const { folder, instances, driver, graceMs, build, start } = app;
  return {
    code: texts({ code: source && codeText(source) }),
    command: texts({ build, start }),
    setting: texts({ folder, instances, driver, graceMs, reversible }),
    health: texts(health),
    cohort: texts({ cohort }),
    routes: texts({ order: routes.map((each) => each.name).join(', ') || 'none' }),
    route: endpointsOf(release),
    flag: { ...texts(flags), ...rulesOf(release) },
    value: { ...values?.relay, ...values?.env },
  };
}

/** Of a flag that is more than a value: to whom it gives which. */
function rulesOf({ flags, flagSet = {} }: Compared): Record<string, string> {
  return Object.fromEntries(
    Object.entries(flagSet).map(([name, { ramp = {}, people = {}, needs = [] }]) => {
      const shares = Object.entries(ramp).map(([variant, percent]) => `${variant} ${percent} %`);
      const lists = Object.entries(people).map(([variant, each]) => `${variant} for ${each.length} listed`);
      const conditions = needs.map((each) => `needs ${each.flag}=${String(each.is)}`);
      return [name, [String(flags[name]), ...shares, ...lists, ...conditions].join(', ')];
    }),
  );
}

function codeText(source: Release['source']): string {
  return source.kind === 'git' ? source.commit : sourceText({ source });
}

/** Values of headers may stand in the configuration as they are: only names are shown. */
function endpointsOf({ routes, routeHeaders }: Compared): Record<string, string> {
  return Object.fromEntries(
    routes.map(({ name, type, url, via }) => {
      const headers = Object.entries(routeHeaders[name] ?? {});
      const shown = headers.map(([header, each]) => ('env' in each ? `${header}=$${each.env}` : header));
      return [name, [type, via, plainUrl(url), ...shown.sort()].join(' ')];
    }),
  );
}

/** Without what may be a credential. */
function plainUrl(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//').replace(/\?.*/, '?…');
}

function rows(
  area: Area,
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): ReleaseChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const changed = names.filter((name) => before[name] !== after[name]);
  return changed.map((name) => {
    const [from, to] = [before[name], after[name]];
    const kind = from === undefined ? 'added' : to === undefined ? 'removed' : 'changed';
    // Hashes tell people nothing.
    if (area === 'value') return { area, name, kind };
    return { area, name, kind, ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
  });
}

function unknownValues(from: Compared, to: Compared): ReleaseChange[] {
  return from.values || to.values ? [{ area: 'value', name: 'all', kind: 'unknown' }] : [];
}

function texts(named: Readonly<Record<string, unknown>>): Record<string, string> {
  const there = Object.entries(named).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    there.map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}
