// A deploy may ask for a backup that was verified lately (backup.requireVerifiedWithin). A rollback never
// does.
import { lastVerified } from '../backup/verified-mark.ts';
import type { Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import type { Host } from '../host.ts';

/** Throws `refused`; a person's recorded reason passes. */
export function requireBackup(
  host: Host,
  folder: string,
  { backup }: Config,
  breakGlass: string | undefined,
): void {
  const limitMs = backup.requireVerifiedWithin;
  if (limitMs === undefined || breakGlass !== undefined) return;
  const last = lastVerified(host.files, `${folder}/.crossfade`);
  const ageMs = last === undefined ? Number.POSITIVE_INFINITY : host.clock.now() - last.at;
  if (ageMs <= limitMs) return;
  const hours = (ms: number): string => `${(ms / 3_600_000).toFixed(1)} h`;
  const found = last
    ? `${last.id}, the newest that was verified, was made ${hours(ageMs)} ago`
    : 'no backup was verified';
  const text = `${found}, and backup.requireVerifiedWithin is ${hours(limitMs)}`;
  const hint = '`crossfade backup create` and `crossfade backup verify`, or --break-glass "why"';
  throw new CrossfadeError('refused', text, hint);
}
