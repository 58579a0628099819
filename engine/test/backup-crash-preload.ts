// Loaded before the CLI (`node --import`): counts the writes of a backup, a restore or a migration, and ends
// the process with SIGKILL before the one that CROSSFADE_KILL_AT names, or writes all of them down where it
// is 0. CROSSFADE_KILL_ALSO names more calls that count.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const killAt = Number(process.env['CROSSFADE_KILL_AT']);
const { openSync, writeSync } = fs;
const seen = openSync(process.env['CROSSFADE_KILL_SEEN']!, 'a');
let count = 0;

function pass(label: string): void {
  count++;
  if (killAt === 0) writeSync(seen, `${label}\n`);
  if (count === killAt) process.kill(process.pid, 'SIGKILL');
}

const also = (process.env['CROSSFADE_KILL_ALSO'] ?? '').split(',').filter(Boolean);
const names = ['copyFileSync', 'writeFileSync', 'renameSync', 'fsyncSync', 'symlinkSync', ...also];
for (const name of names) {
  const real = (fs as unknown as Record<string, unknown>)[name] as (...args: unknown[]) => unknown;
  const counted = (...args: unknown[]): unknown => {
    pass(
      `${name} ${args.filter((each) => typeof each === 'string' && each.startsWith('/') && !each.includes('\n')).join(' → ')}`,
    );
    return real(...args);
  };
  (fs as Record<string, unknown>)[name] = counted;
}
syncBuiltinESMExports();
