// The manifest of a backup: what it holds, of when, and the sha256 of each item. It is written last (B1), so
// what has no manifest is no backup; and `verified.json` beside it says what came of restoring it (B3).
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { dataSource } from '../config-schema.ts';

/** The time it was made and a random part, so that names sort by age. */
export const backupId = z.string().regex(/^\d{8}T\d{6}Z-[0-9a-f]{6}$/, 'is not the id of a backup');

export const itemKinds = ['repository', 'change', 'environment', 'state', 'data', 'secret'] as const;

export const item = z.object({
  kind: z.enum(itemKinds),
  /** Where it lies within the backup. */
  path: z.string(),
  /** Where it belongs: a path in the app's folder, or the name of a data source. */
  from: z.string(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  sizeBytes: z.int(),
  isExecutable: z.boolean().optional(),
  /** The text of a symbolic link stands in the item. */
  isLink: z.boolean().optional(),
});
export type Item = z.infer<typeof item>;

export const manifest = z.object({
  version: z.literal(1),
  id: backupId,
  /** Wall time, ms. */
  at: z.number(),
  service: z.string(),
  /** Of Crossfade, Node and git. */
  tools: z.record(z.string(), z.string()),
  git: z
    .object({
      commit: z.string(),
      /** Absent on a detached HEAD. */
      branch: z.string().optional(),
      remotes: z.record(z.string(), z.string()),
    })
    .optional(),
  /** Files of the commit that are gone from the working tree. */
  deleted: z.array(z.string()),
  /** sha256 over every file of the working tree, sorted. */
  tree: z.string(),
  /** Files whose content the backup holds and that are named because somebody will look for them. */
  notable: z.object({ lockfiles: z.array(z.string()), workflows: z.array(z.string()) }),
  flags: z.record(z.string(), z.union([z.boolean(), z.string(), z.number()])),
  /** Names of environment variables, by the file they stand in. */
  environment: z.record(z.string(), z.array(z.string())),
  /** Releases that a rollback could go to when it was made. */
  releases: z.array(z.string()),
  data: z.array(dataSource),
  items: z.array(item),
});
export type Manifest = z.infer<typeof manifest>;

/** As it lies in the store: with the sha256 of everything else in it, for it names all other hashes. */
export function sealedManifest(made: Manifest): string {
  return `${JSON.stringify({ ...made, sha256: digestOf(made) }, undefined, 2)}\n`;
}

/** Throws when it is torn, or not as it was written. */
export function openManifest(text: string): Manifest {
  const { sha256, ...rest } = z.looseObject({ sha256: z.string() }).parse(JSON.parse(text));
  if (sha256 !== digestOf(rest)) throw new Error('its content does not match its checksum');
  return manifest.parse(rest);
}

function digestOf(content: object): string {
  return createHash('sha256').update(JSON.stringify(content)).digest('hex');
}

export const check = z.object({
  name: z.string(),
  verdict: z.enum(['pass', 'fail', 'inconclusive']),
  text: z.string(),
});
export type Check = z.infer<typeof check>;

export const verification = z.object({
  id: backupId,
  at: z.number(),
  verdict: z.enum(['pass', 'fail', 'inconclusive']),
  checks: z.array(check),
});
export type Verification = z.infer<typeof verification>;

export function newBackupId(at: number, random: string): string {
  const text = new Date(at).toISOString().replace(/[-:]/g, '').slice(0, 15);
  return `${text}Z-${random.slice(0, 6)}`;
}
