// A JSON value on disk that is whole or known to be broken: the text carries its own SHA-256, and is replaced
// by write, sync, rename, sync. Keeps G4: what cannot be read is `torn`, never a guess and never empty.
import { hash } from 'node:crypto';
import type { z } from 'zod';
import { writeDurably, type Files } from './host.ts';

export type Loaded<T> =
  | { readonly kind: 'missing' }
  | { readonly kind: 'torn'; readonly text: string }
  | { readonly kind: 'whole'; readonly value: T };

export function load<T>(files: Files, path: string, schema: z.ZodType<T>): Loaded<T> {
  try {
    const text = files.read(path);
    if (text === undefined) return { kind: 'missing' };
    const [digest, body] = [text.slice(0, 64), text.slice(65)];
    if (hash('sha256', body) !== digest)
      return { kind: 'torn', text: 'its content does not match its checksum' };
    return { kind: 'whole', value: schema.parse(JSON.parse(body)) };
  } catch (error) {
    return { kind: 'torn', text: error instanceof Error ? error.message : String(error) };
  }
}

/** Throws what the disk throws. */
export function store(files: Files, path: string, value: unknown): void {
  const body = JSON.stringify(value);
  writeDurably(files, path, `${hash('sha256', body)}\n${body}`);
}
