// node_modules is not in git and is not copied with a folder. A release that has none is given links to what
// its source has installed: one link for each package, in a real folder, so that `npm ci` in the release
// empties the release's folder and never the source's. A link of the source (a workspace package) is copied
// as it is: being relative, it then points into the release, not into the source's present files.
import type { Host } from '../host.ts';

// $1 the source's node_modules, $2 the release's. Scopes (@name) are folders of packages. The hidden lockfile
// stays out, it would tell npm that the packages are really here.
const linking = `
set -e
link() {
  mkdir -p "$2"
  find "$1" -mindepth 1 -maxdepth 1 -type l -exec sh -c 'cp -P "$@" "$0"' "$2" {} +
  find "$1" -mindepth 1 -maxdepth 1 ! -type l ! -name '@*' ! -name .bin ! -name .package-lock.json \\
    -exec sh -c 'ln -s "$@" "$0"' "$2" {} +
}
link "$1" "$2"
if [ -d "$1/.bin" ]; then cp -RP "$1/.bin" "$2/.bin"; fi
for scope in "$1"/@*; do
  if [ -d "$scope" ] && [ ! -L "$scope" ]; then link "$scope" "$2/\${scope##*/}"; fi
done
`;

/** Links the packages of the source's folder and of the app's in it; returns the folders linked from. */
export async function linkDependencies(
  host: Host,
  request: {
    readonly source: string;
    readonly release: string;
    readonly app: string;
    readonly signal: AbortSignal;
  },
): Promise<readonly string[]> {
  const linked: string[] = [];
  for (const below of new Set(['', request.app === '.' ? '' : `/${request.app}`])) {
    const from = `${request.source}${below}/node_modules`;
    const to = `${request.release}${below}/node_modules`;
    if (host.files.list(from).length === 0 || host.files.list(to).length > 0) continue;
    const args = ['-c', linking, 'crossfade-link', from, to];
    const { code } = await host.processes.run({
      ...{ command: 'sh', args, folder: request.release, timeoutMs: 120_000, signal: request.signal },
    });
    // Without its packages the build or the start fails and says which one is missing.
    if (code === 0) linked.push(from);
  }
  return linked;
}
