// The newest backup that was verified, noted in the state folder for whoever decides about a deploy: the
// store may be far away or down just then.
import { z } from 'zod';
import { load, store } from '../durable-file.ts';
import type { Files } from '../host.ts';

const mark = z.object({ id: z.string(), at: z.number() });

/** When a backup was last verified, wall ms; undefined where none is known. */
export function lastVerified(files: Files, stateFolder: string): z.infer<typeof mark> | undefined {
  const loaded = load(files, path(stateFolder), mark);
  return loaded.kind === 'whole' ? loaded.value : undefined;
}

export function noteVerified(files: Files, stateFolder: string, verified: z.infer<typeof mark>): void {
  store(files, path(stateFolder), verified);
}

function path(stateFolder: string): string {
  return `${stateFolder}/backup-verified.json`;
}
