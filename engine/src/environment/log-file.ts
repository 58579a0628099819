// The files that instances and builds write. Rotation copies and truncates, because the writers hold the file
// open for append and are never told; what they write between the two is lost.
// G5: past its limit a log is cut at the next look, and three copies are kept.
import type { Host } from '../host.ts';

const tailLines = 20;
const lineLimit = 500;
const copies = 3;

// $1 folder, $2 limit in bytes, $3 copies.
const rotation = `
find "$1" -name '*.log' -size "+$2c" | while IFS= read -r log; do
  copy=$3
  while [ "$copy" -gt 1 ]; do
    newer=$((copy - 1))
    if [ -e "$log.$newer" ]; then mv -f "$log.$newer" "$log.$copy"; fi
    copy=$newer
  done
  cp -p "$log" "$log.1" && : > "$log"
done
`;

/** Rotates every `*.log` in the folder that is larger than the limit; `.log.1` is the newest copy. */
export async function rotateLogs(host: Host, folder: string, limitBytes: number): Promise<void> {
  if (host.files.list(folder).length === 0) return;
  const args = ['-c', rotation, 'crossfade-rotate', folder, `${limitBytes}`, `${copies}`];
  await host.processes.run({ command: 'sh', args, folder, timeoutMs: 60_000 });
}

/** The last lines of a log, at most 20, without terminal codes; empty when there is none. */
export async function logTail(host: Host, path: string): Promise<readonly string[]> {
  const folder = path.slice(0, path.lastIndexOf('/'));
  const args = ['-n', `${tailLines}`, path];
  const { stdout } = await host.processes.run({ command: 'tail', args, folder, timeoutMs: 5000 });
  return lastLines(stdout);
}

/** The last lines of a text, at most 20, without terminal codes. */
export function lastLines(text: string): readonly string[] {
  // eslint-disable-next-line no-control-regex
  const plain = text
    .replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '');
  const lines = plain.split('\n').map((line) => line.slice(0, lineLimit));
  while (lines.at(-1) === '') lines.pop();
  return lines.slice(-tailLines);
}
