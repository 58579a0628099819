// The newest backup that was verified, noted in the state folder for whoever decides about a deploy: the
// store may be far away or down just then.
import { z } from 'zod';
import { load, store } from '../durable-file.ts';
import type { Files } from '../host.ts';

const mark = z.object({ id: z.string(), at: z.number() });

/** The newest backup that was verified; `at` is when it was made, wall ms. */
export function lastVerified(files: Files, stateFolder: string): z.infer<typeof mark> | undefined {
  const loaded = load(files, path(stateFolder), mark);
  return loaded.kind === 'whole' ? loaded.value : undefined;
}

export function noteVerified(files: Files, stateFolder: string, verified: z.infer<typeof mark>): void {
  if ((lastVerified(files, stateFolder)?.at ?? 0) <= verified.at) store(files, path(stateFolder), verified);
}

function path(stateFolder: string): string {
  return `${stateFolder}/backup-verified.json`;
}
