// The configuration that is in force: what crossfade.yaml said at the start, and at each `crossfade apply`
// since. C1 a file with mistakes changes nothing. C2 what decides about a rollout that is under way (its
// steps and guards) is not changed beneath it: the whole file is refused until then. C3 what needs a
// restart stays as it is, and is told again with each apply. A deploy reads the file as it is at that
// moment.
import { parseConfig, type Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import type { Files } from '../host.ts';
import { unfinished, type State } from '../rollout/rollout.ts';

/** When a changed field takes effect. */
export type Effect = 'live' | 'next deploy' | 'next release' | 'restart';

/** By the longest prefix; every key of the schema is below one of them. */
const effects: Readonly<Record<string, Effect>> = {
  service: 'restart',
  listen: 'restart',
  'listen.names': 'live',
  freezes: 'live',
  policy: 'live',
  contacts: 'live',
  status: 'live',
  notify: 'live',
  retention: 'live',
  source: 'live',
  destinations: 'live',
  access: 'live',
  backup: 'live',
  validate: 'live',
  metrics: 'live',
  tracing: 'restart',
  preflight: 'live',
  rollout: 'next deploy',
  guards: 'next deploy',
  hooks: 'next deploy',
  app: 'next release',
  health: 'next release',
  cohort: 'next release',
  speech: 'next release',
  flags: 'next release',
  skew: 'next release',
};

/** `field` is a path such as `guards.errors.max`. Values are not told: some hold credentials. */
export type Change = { readonly field: string; readonly effect: Effect };

export class AppliedConfig {
  readonly #files: Files;
  readonly #path: string;
  #current: Config;

  /** Throws `config-invalid`. */
  constructor(files: Files, folder: string) {
    this.#files = files;
    this.#path = `${folder}/crossfade.yaml`;
    this.#current = this.read();
  }

  get current(): Config {
    return this.#current;
  }

  /** The file as it is now; throws `config-invalid` with file and line. */
  read(): Config {
    const text = this.#files.read(this.#path);
    if (text !== undefined) return parseConfig(text, 'crossfade.yaml');
    throw new CrossfadeError('config-missing', `there is no ${this.#path}`, '`crossfade init` writes one');
  }

  /** What the file would change; throws the refusal (C1, C2). */
  preview(state: State): { readonly next: Config; readonly changes: readonly Change[] } {
    const next = this.read();
    const changes = changesBetween(this.#current, next);
    refuseBeneath(state, changes);
    return { next, changes };
  }

  /** C3. */
  take(next: Config): void {
    const { service, listen } = this.#current;
    this.#current = { ...next, service, listen: { ...listen, names: next.listen.names } };
  }
}

export function changesBetween(present: Config, next: Config): readonly Change[] {
  return pathsThatDiffer(present, next, []).map((path) => ({
    field: path.join('.'),
    effect: effectOf(path),
  }));
}

/** The effect of a path's longest known prefix. */
export function effectOf(path: readonly string[]): Effect {
  for (let length = path.length; length > 0; length--) {
    const found = effects[path.slice(0, length).join('.')];
    if (found !== undefined) return found;
  }
  return 'restart';
}

/** C2. */
function refuseBeneath(state: State, changes: readonly Change[]): void {
  const rollout = unfinished(state);
  const fields = changes.map((each) => each.field).filter((field) => /^(rollout|guards)\b/.test(field));
  if (!rollout || fields.length === 0) return;
  const what = `rollout ${rollout.number} of ${rollout.candidate.release} is ${rollout.phase.kind}`;
  throw new CrossfadeError(
    'refused',
    `${what}, and keeps the ${fields.join(', ')} it began with`,
    'nothing was applied: they hold from the next deploy on; apply when it is over, or `crossfade abort`',
  );
}

/** Down to values and lists; a list differs as a whole. */
function pathsThatDiffer(a: unknown, b: unknown, path: readonly string[]): string[][] {
  if (isRecord(a) && isRecord(b)) {
    const keys = [...new Set([...Object.keys(a), ...Object.keys(b)])];
    return keys.flatMap((key) => pathsThatDiffer(a[key], b[key], [...path, key]));
  }
  return JSON.stringify(a) === JSON.stringify(b) ? [] : [[...path]];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
