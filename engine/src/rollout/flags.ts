// The flags of a release and what people changed about them since: an overlay of the release, sealed and
// restored with it (K10). A kill stands above everything, over all releases, until it is revived; it alone
// moves live sessions, by a planned handover. A plain value is a flag with one variant of that value, or with
// `on` and `off`.
import type { FlagDefinition, FlagSet, FlagValue } from '../api/flags.ts';
import type { Flags } from '../api/route-table.ts';
import type { VerbEvent } from './events.ts';
import { next, refused, type VerbOutcome } from './outcome.ts';
import type { Release } from './release.ts';
import { releaseOf, type State } from './rollout.ts';
import { handOver } from './transitions.ts';

type Verb<K extends VerbEvent['kind']> = Extract<VerbEvent, { kind: K }>;

/** Of a definition: what people changed live. */
export type FlagEdit = Pick<FlagDefinition, 'default'> & {
  readonly ramp?: FlagDefinition['ramp'] | undefined;
  /** Of a plain text or number: its new value. */
  readonly value?: FlagValue;
};

export type Kill = { readonly actor: string; readonly at: number; readonly reason: string };

const plainVariant = 'value';

/** A plain value as a definition. */
export function plainFlag(value: FlagValue): FlagDefinition {
  if (typeof value !== 'boolean') return { variants: { [plainVariant]: value }, default: plainVariant };
  return { variants: { on: true, off: false }, default: value ? 'on' : 'off', off: 'off' };
}

/** As the release was made. */
export function flagSetOf(release: Pick<Release, 'flags' | 'flagSet'>): FlagSet {
  const plain = Object.entries(release.flags).map(([name, value]) => [name, plainFlag(value)]);
  return { ...Object.fromEntries(plain), ...release.flagSet };
}

/** With what people changed about it. */
export function flagSetInForce(state: State, release: Release): FlagSet {
  const edits = state.overlays[release.id]?.flags ?? {};
  return Object.fromEntries(
    Object.entries(flagSetOf(release)).map(([name, flag]) => {
      const edit = edits[name];
      return [name, edit ? edited(flag, edit) : flag];
    }),
  );
}

function edited(flag: FlagDefinition, edit: FlagEdit): FlagDefinition {
  const { ramp: _before, ...rest } = flag;
  const variants =
    edit.value === undefined ? flag.variants : { ...flag.variants, [edit.default]: edit.value };
  return { ...rest, variants, default: edit.default, ...(edit.ramp && { ramp: edit.ramp }) };
}

/** What everybody gets whom neither a ramp nor a list concerns. */
export function flagsInForce(state: State, release: Release): Flags {
  const set = flagSetInForce(state, release);
  return Object.fromEntries(
    Object.entries(set).map(([name, flag]) => [name, flag.variants[standingVariant(state, name, flag)]!]),
  );
}

function standingVariant({ killed }: State, name: string, flag: FlagDefinition): string {
  return killed[name] ? (flag.off ?? flag.default) : flag.default;
}

/** The flags of the table that are more than a value: the gateway makes the others of their values. */
export function definedFlags(state: State, release: Release): FlagSet | undefined {
  const edits = state.overlays[release.id]?.flags ?? {};
  const names = new Set([...Object.keys(release.flagSet ?? {}), ...Object.keys(edits)]);
  const set = Object.entries(flagSetInForce(state, release)).filter(([name]) => names.has(name));
  return set.length === 0 ? undefined : Object.fromEntries(set);
}

export function setFlag(state: State, event: Verb<'flag-set'>): VerbOutcome {
  const { flag: name, value } = event;
  return editEverywhere(state, name, (flag) => {
    const found = variantOf(flag, value);
    if (found !== undefined) return { default: found };
    const [only] = Object.keys(flag.variants);
    const isPlain = only === plainVariant && typeof flag.variants[only] === typeof value;
    return isPlain ? { default: only, value } : undefined;
  });
}

export function rampFlag(state: State, event: Verb<'flag-ramped'>): VerbOutcome {
  const { flag: name, percent } = event;
  return editEverywhere(state, name, (flag) => {
    const growing = Object.keys(flag.variants).filter((each) => each !== flag.default);
    const variant = event.variant ?? (growing.length === 1 ? growing[0] : undefined);
    if (variant === undefined || !growing.includes(variant)) return undefined;
    const ramp = { ...flag.ramp, [variant]: percent };
    const sum = Object.values(ramp).reduce((all, each) => all + each, 0);
    return sum > 100 || Object.keys(ramp).length > 2 ? undefined : { default: flag.default, ramp };
  });
}

function variantOf(flag: FlagDefinition, value: FlagValue): string | undefined {
  const names = Object.keys(flag.variants);
  const byName = names.find((each) => each === value);
  return byName ?? names.find((each) => flag.variants[each] === value);
}

/** For every release in service that has the flag; `edit` gives nothing where that cannot be. */
function editEverywhere(
  state: State,
  name: string,
  edit: (flag: FlagDefinition) => FlagEdit | undefined,
): VerbOutcome {
  const having = releasesHaving(state, name);
  if (having.length === 0) return unknownFlag(state, name);
  const overlays = { ...state.overlays };
  for (const release of having) {
    const flag = flagSetInForce(state, release)[name]!;
    const made = edit(flag);
    if (!made) {
      const there = Object.entries(flag.variants).map(([key, value]) => `${key} (${String(value)})`);
      const text = `${name} of ${release.id} cannot have that: its variants are ${there.join(', ')}`;
      return refused('refused', text, `see \`crossfade flags show ${name}\``);
    }
    const known = overlays[release.id];
    overlays[release.id] = { ...known, flags: { ...known?.flags, [name]: made } };
  }
  return next({ ...state, overlays, flagsVersion: state.flagsVersion + 1 });
}

/** As the release brought it. */
export function unsetFlag(state: State, { flag: name }: Verb<'flag-unset'>): VerbOutcome {
  const changed = releasesHaving(state, name).filter((each) => state.overlays[each.id]?.flags?.[name]);
  if (changed.length === 0) {
    return refused('illegal-verb', `${name} is as its release brought it`, 'see `crossfade flags list`');
  }
  const overlays = { ...state.overlays };
  for (const { id } of changed) {
    const { [name]: _edit, ...flags } = overlays[id]!.flags!;
    overlays[id] = { ...overlays[id], flags };
  }
  return next({ ...state, overlays, flagsVersion: state.flagsVersion + 1 });
}

export function killFlag(state: State, event: Verb<'flag-killed'>): VerbOutcome {
  const { flag: name, actor, at, reason } = event;
  const having = releasesHaving(state, name);
  if (having.length === 0) return unknownFlag(state, name);
  if (state.killed[name]) {
    return refused('illegal-verb', `${name} is killed already`, `\`crossfade flags revive ${name}\``);
  }
  const killed = { ...state.killed, [name]: { actor, at, reason } };
  const flagsVersion = state.flagsVersion + 1;
  const ids = having.map((each) => each.id);
  const why = `${name} was killed`;
  return next(
    handOver({ ...state, killed, flagsVersion }, `kill-${name}-${flagsVersion}`, ids, why, 2_000, at),
  );
}

export function reviveFlag(state: State, { flag: name }: Verb<'flag-revived'>): VerbOutcome {
  const { [name]: kill, ...killed } = state.killed;
  if (!kill) return refused('illegal-verb', `${name} is not killed`, 'see `crossfade flags list`');
  return next({ ...state, killed, flagsVersion: state.flagsVersion + 1 });
}

/** Releases in service, with what may take traffic at once. */
export function releasesInService(state: State): readonly Release[] {
  return Object.values(state.environments).flatMap((each) =>
    each.role === 'empty' || each.release === undefined ? [] : [releaseOf(state, each.release)!],
  );
}

function releasesHaving(state: State, name: string): readonly Release[] {
  return releasesInService(state).filter((each) => name in flagSetOf(each));
}

function unknownFlag(state: State, name: string): VerbOutcome {
  const names = new Set(releasesInService(state).flatMap((each) => Object.keys(flagSetOf(each))));
  const hint = names.size > 0 ? `there is: ${[...names].join(', ')}` : 'flags in crossfade.yaml names them';
  return refused('unknown-flag', `no release in service has a flag "${name}"`, hint);
}
