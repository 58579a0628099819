// A packed release into a folder. Its listing is read first, and nothing is extracted when an entry could
// land or point outside: absolute names, `..`, links that leave the folder, anything but files, folders and
// links. G5: at most 4 GiB unpacked. By the system's gzip and tar (GNU and BSD); owners and modes are not
// taken over.
import type { Host, RunResult } from '../host.ts';

const unpackedLimitBytes = 4 * 2 ** 30;
const timeoutMs = 5 * 60_000;

// $1 the archive, $2 the limit. Prints offending names, then every entry that is neither file nor folder.
const inspection = `
set -e
export LC_ALL=C TZ=UTC
size=$(gzip -dc "$1" | head -c $(($2 + 1)) | wc -c)
if [ "$size" -gt "$2" ]; then echo "large"; exit 0; fi
tar -tzf "$1" > "$3.names"
tar --numeric-owner -tvzf "$1" > "$3.list"
grep -E '^/|(^|/)\\.\\.(/|$)' "$3.names" | head -n 1 | sed 's/^/name /'
grep -v '^[-d]' "$3.list" | head -n 5000 | sed 's/^/entry /'
rm -f "$3.names" "$3.list"
`;

// Type and mode; then owner, size and time as GNU tar prints them, or as BSD's does; then the name.
const gnuColumns = String.raw`\S+\s+\d+\s+\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)?`;
const bsdColumns = String.raw`\d+\s+\S+\s+\S+\s+\d+\s+\w{3}\s+\d+\s+[\d:]+`;
const columns = new RegExp(String.raw`^([a-z])\S+\s+(?:${gnuColumns}|${bsdColumns}) (.*)$`);
const maxLinks = 4_999;

/** Why it cannot be extracted, or undefined when it was. */
export async function extractArtifact(
  host: Host,
  archive: string,
  folder: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const run = (command: string, args: readonly string[]): Promise<RunResult> =>
    host.processes.run({ command, args, folder: '/', timeoutMs, signal });
  const script = ['-c', inspection, 'crossfade-inspect', archive, `${unpackedLimitBytes}`, folder];
  const listing = await run('sh', script);
  if (listing.code !== 0) return `it is no .tgz: ${listing.stderr.trim().split('\n').at(-1) ?? 'damaged'}`;
  const danger = dangerIn(listing.stdout.split('\n').filter((line) => line !== ''));
  if (danger !== undefined) return danger;
  host.files.makeFolder(folder);
  const options = ['--no-same-owner', '--no-same-permissions'];
  const result = await run('tar', [...options, '-xzf', archive, '-C', folder]);
  return result.code === 0 ? undefined : (result.stderr.trim().split('\n').at(-1) ?? 'tar failed');
}

/** What must not be extracted, from the lines of the inspection; undefined when all of it may be. */
export function dangerIn(lines: readonly string[]): string | undefined {
  if (lines[0] === 'large') return `it is larger than ${unpackedLimitBytes / 2 ** 30} GiB unpacked`;
  const name = lines.find((line) => line.startsWith('name '))?.slice(5);
  if (name !== undefined) return `"${name}" would land outside the release`;
  const entries = lines.map((line) => line.replace(/^entry /, ''));
  if (entries.length > maxLinks) return `it holds more than ${maxLinks} links`;
  const links = new Map<string, string>();
  for (const entry of entries) {
    const [, type, rest = ''] = columns.exec(entry) ?? [];
    const [path, target, ...more] = rest.split(type === 'l' ? ' -> ' : ' link to ');
    if ((type !== 'l' && type !== 'h') || target === undefined || more.length > 0) {
      return `"${entry}" is neither a file, nor a folder, nor a link that can be read`;
    }
    // A hard link names another entry of the archive; a symbolic one is read from where it stands.
    const depth = type === 'l' ? partsOf(path!).length - 1 : 0;
    if (leaves(target, depth)) return `"${path}" points outside the release, to ${target}`;
    if (type === 'l') links.set(partsOf(path!).join('/'), target);
  }
  const through = [...links.keys()].find((path) => parentsOf(path).some((parent) => links.has(parent)));
  return through === undefined ? undefined : `"${through}" is a link below a link`;
}

/** `..` may stand at the start only: after a name that is a link, it would not go where it reads. */
function leaves(target: string, depth: number): boolean {
  const parts = target.split('/').filter((part) => part !== '' && part !== '.');
  const ups = parts.findIndex((part) => part !== '..');
  const upCount = ups < 0 ? parts.length : ups;
  return target.startsWith('/') || upCount > depth || parts.slice(upCount).includes('..');
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}

function parentsOf(path: string): string[] {
  const parts = path.split('/');
  return parts.slice(1).map((_part, index) => parts.slice(0, index + 1).join('/'));
}
