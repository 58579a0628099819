// The route table in force, and its copy on disk. T1 written before it is used: what cannot be written is
// refused and the old one stays. T2 one frozen object, swapped whole. T3 (epoch, version) only rises; the
// same one is a success only with the same content. Keeps G4: at start the persisted table, or none at all,
// never a guess.
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { routeTable, type RouteTable, type ServiceTable } from '../api/route-table.ts';
import { errorText } from '../errors.ts';
import type { Files } from '../host.ts';
import { load, store } from '../durable-file.ts';

export type PushResult =
  | { readonly kind: 'in-use'; readonly table: RouteTable; readonly isNew: boolean }
  | { readonly kind: 'conflict'; readonly table: RouteTable }
  | { readonly kind: 'invalid'; readonly text: string }
  | { readonly kind: 'unwritable'; readonly text: string };

/** Why there is no table. */
export type Absence = { readonly kind: 'missing' } | { readonly kind: 'torn'; readonly text: string };

export class RouteTableStore {
  readonly #files: Files;
  readonly #path: string;
  #current: RouteTable | undefined;
  #absence: Absence = { kind: 'missing' };

  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = path;
    const loaded = load(files, path, routeTable);
    if (loaded.kind === 'whole') this.#current = deepFreeze(loaded.value);
    else this.#absence = loaded;
  }

  get current(): RouteTable | undefined {
    return this.#current;
  }

  get absence(): Absence {
    return this.#absence;
  }

  push(body: unknown): PushResult {
    const parsed = routeTable.safeParse(body);
    if (!parsed.success) return { kind: 'invalid', text: z.prettifyError(parsed.error) };
    const next = parsed.data;
    const inUse = this.#current;
    if (inUse && !isNewer(next, inUse)) {
      const isSame = isDeepStrictEqual(next, inUse);
      return isSame ? { kind: 'in-use', table: inUse, isNew: false } : { kind: 'conflict', table: inUse };
    }
    const problem = problemOf(next, inUse);
    if (problem !== undefined) return { kind: 'invalid', text: problem };
    try {
      store(this.#files, this.#path, next);
    } catch (error) {
      return { kind: 'unwritable', text: errorText(error) };
    }
    this.#current = deepFreeze(next);
    return { kind: 'in-use', table: next, isNew: true };
  }
}

function isNewer(next: RouteTable, inUse: RouteTable): boolean {
  return next.epoch > inUse.epoch || (next.epoch === inUse.epoch && next.version > inUse.version);
}

function problemOf(next: RouteTable, inUse: RouteTable | undefined): string | undefined {
  for (const [name, service] of Object.entries(next.services)) {
    const problem = serviceProblem(service, inUse?.services[name]);
    if (problem !== undefined) return `${name}: ${problem}`;
  }
  return undefined;
}

function serviceProblem(next: ServiceTable, old: ServiceTable | undefined): string | undefined {
  const environments = [next.stable, next.candidate, next.standby].flatMap((arm) => arm?.environment ?? []);
  if (new Set(environments).size < environments.length) return 'two arms name the same environment';
  if (next.weight > 0 && !next.candidate) return `weight ${next.weight} without a candidate`;
  // G2: another salt under a rising weight would move keys that the boundary never passed.
  if (old && old.salt !== next.salt && old.weight > 0 && next.weight > 0)
    return 'the salt may change only at weight 0';
  return undefined;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const each of Object.values(value)) deepFreeze(each);
  return value;
}
