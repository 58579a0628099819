// Where a program of ours lies: TypeScript in a checkout, JavaScript in a published package. For whoever
// spawns one by its path; imports need nothing of it.
import { fileURLToPath } from 'node:url';

/** The file of `name` (no extension, relative to the module `base`) in the language that `base` is in. */
export function programPath(name: string, base: string): string {
  return fileURLToPath(new URL(`${name}${base.endsWith('.ts') ? '.ts' : '.js'}`, base));
}
