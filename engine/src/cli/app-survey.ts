// What an existing repository says about itself: which kind of app it is, how it is built and started,
// where its health is, and what it still lacks. Reads files only; guesses are marked as such in what `init`
// writes.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { CrossfadeError, errorText } from '../errors.ts';

export type AppKind = 'expo' | 'next' | 'express' | 'scripts' | 'unknown';

export type Survey = {
  readonly kind: AppKind;
  readonly service: string;
  readonly build: string | undefined;
  readonly start: string | undefined;
  readonly healthPath: string;
  /** `$.release` where the health answer names the release, else `process`. */
  readonly proof: '$.release' | 'process';
  readonly envFile: string | undefined;
  /** One sentence each: what the app must still do, and how. */
  readonly lacks: readonly string[];
};

type Package = {
  readonly name?: string;
  readonly main?: string;
  readonly scripts?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
};

const maxFiles = 2_000;
const knownHealthPaths = ['/api/health', '/healthz', '/health', '/api/status', '/up'];

export function survey(folder: string): Survey {
  const manifest = readPackage(folder);
  const kind = kindOf(manifest);
  const sources = readSources(folder);
  const healthPath =
    knownHealthPaths.find((path) => sources.some((text) => hasPath(text, path))) ?? routeFile(folder);
  const namesRelease = sources.some((text) => text.includes('CROSSFADE_RELEASE'));
  const start = startCommand(kind, manifest);
  const lacks: string[] = [];
  if (start === undefined) lacks.push('no start command was found: set app.start in crossfade.yaml');
  if (!readsPort(kind, sources))
    lacks.push(
      'the app seems to ignore PORT: let it listen on process.env.PORT, for two releases run side by side',
    );
  if (healthPath === undefined)
    lacks.push('no health path was found: `/` is probed instead; answer GET /api/health with 200 when ready');
  if (!namesRelease) {
    lacks.push(
      [
        'health does not name the release, so it is proven by its process: answer',
        '{ release: process.env.CROSSFADE_RELEASE, instance: process.env.CROSSFADE_INSTANCE }',
        'and set health.release to $.release',
      ].join(' '),
    );
  }
  return {
    kind,
    service: serviceName(manifest.name ?? basename(folder)),
    build: buildCommand(kind, manifest),
    start,
    healthPath: healthPath ?? '/',
    proof: namesRelease ? '$.release' : 'process',
    envFile: existsSync(join(folder, '.env')) ? '.env' : undefined,
    lacks,
  };
}

function readPackage(folder: string): Package {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return {};
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as Package;
  } catch (cause) {
    throw new CrossfadeError('source', `cannot read ${path}: ${errorText(cause)}`, 'correct it', cause);
  }
}

function kindOf(manifest: Package): AppKind {
  const names = { ...manifest.dependencies, ...manifest.devDependencies };
  if (names['expo']) return 'expo';
  if (names['next']) return 'next';
  if (names['express']) return 'express';
  return manifest.scripts ? 'scripts' : 'unknown';
}

function buildCommand(kind: AppKind, manifest: Package): string | undefined {
  if (manifest.scripts?.['build']) return 'npm run build';
  if (kind === 'expo') return 'npx expo export --platform web';
  return kind === 'next' ? 'npx next build' : undefined;
}

function startCommand(kind: AppKind, manifest: Package): string | undefined {
  if (kind === 'expo') return manifest.scripts?.['serve'] ? 'npm run serve' : 'npx expo serve --port $PORT';
  if (kind === 'next') return 'npx next start -p $PORT';
  for (const name of ['serve', 'start'])
    if (manifest.scripts?.[name]) return name === 'start' ? 'npm start' : `npm run ${name}`;
  return manifest.main ? `node ${manifest.main}` : undefined;
}

/** Frameworks that read PORT by themselves need no mention of it. */
function readsPort(kind: AppKind, sources: readonly string[]): boolean {
  return (
    kind === 'expo' ||
    kind === 'next' ||
    sources.some((text) => /process\.env(\.PORT|\[['"]PORT['"]\])/.test(text))
  );
}

function hasPath(text: string, path: string): boolean {
  return ["'", '"', '`'].some((quote) => text.includes(`${quote}${path}${quote}`));
}

/** File-based routes: Expo's `app/api/health+api.ts`, Next's `app/api/health/route.ts`. */
function routeFile(folder: string): string | undefined {
  const places = [
    'app/api/health+api.ts',
    'api/health+api.ts',
    'app/api/health/route.ts',
    'pages/api/health.ts',
    'src/app/api/health/route.ts',
  ];
  return places.some((place) => existsSync(join(folder, place))) ? '/api/health' : undefined;
}

function readSources(folder: string): string[] {
  const found: string[] = [];
  const visit = (path: string, depth: number): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (
        found.length >= maxFiles ||
        entry.name.startsWith('.') ||
        ['node_modules', 'dist', 'build'].includes(entry.name)
      )
        continue;
      if (entry.isDirectory() && depth < 6) visit(join(path, entry.name), depth + 1);
      else if (entry.isFile() && /\.(c|m)?(j|t)sx?$/.test(entry.name))
        found.push(readFileSync(join(path, entry.name), 'utf8'));
    }
  };
  visit(folder, 0);
  return found;
}

function serviceName(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/^@[^/]+\//, '')
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '');
  return plain.slice(0, 40) || 'app';
}
