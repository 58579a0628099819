// `npm run build`: @crossfade/cli and @crossfade/speech as people install them, JavaScript with types, packed
// as tarballs into dist/ or `--out DIR`. TypeScript inside node_modules is refused by Node, so only its
// declarations are left. Prints one path a line.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildDashboard } from './build-dashboard.ts';

type Manifest = {
  readonly name: string;
  readonly exports?: Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
};

type Package = {
  readonly folder: string;
  /** What is no TypeScript and must be there all the same. */
  readonly assets: readonly string[];
  /** Needed by one entry only, so installed by whoever uses that one. */
  readonly peers: readonly string[];
};

const repository = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const packages: readonly Package[] = [
  {
    folder: 'engine',
    assets: [
      'bin/crossfade.mjs',
      'crossfade.schema.json',
      'assets/probe-clip.wav',
      'assets/dashboard',
      'src/workflow/deploy-with-rollback.yml',
      ...['session-plan', 'signed-in', 'speech-client', 'speechmatics-token'].map(
        (name) => `src/migrate/recipes/modal-to-speechmatics/${name}.txt`,
      ),
    ],
    peers: ['api', 'sdk-trace', 'resources', 'exporter-trace-otlp-http'].map(
      (each) => `@opentelemetry/${each}`,
    ),
  },
  { folder: 'speech', assets: [], peers: ['ws'] },
];

/** Packs both; gives the paths of the tarballs. */
function pack(out: string): string[] {
  const work = mkdtempSync(join(tmpdir(), 'crossfade-pack-'));
  try {
    const tsc = join(repository, 'node_modules/typescript/bin/tsc');
    run(process.execPath, [tsc, '-p', 'tsconfig.pack.json', '--outDir', work], repository);
    return packages.map((each) => packOne(each, join(work, each.folder), out));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function packOne({ folder, assets, peers }: Package, built: string, out: string): string {
  for (const asset of assets) {
    mkdirSync(dirname(join(built, asset)), { recursive: true });
    cpSync(join(repository, folder, asset), join(built, asset), { recursive: true });
  }
  for (const text of ['LICENSE', 'README.md', 'CHANGELOG.md'])
    cpSync(join(repository, text), join(built, text));
  const manifest = JSON.parse(readFileSync(join(repository, folder, 'package.json'), 'utf8')) as Manifest;
  putEntryFiles(built, manifest);
  writeFileSync(join(built, 'package.json'), JSON.stringify(published(manifest, peers), undefined, 2));
  const printed = run('npm', ['pack', '--json', '--pack-destination', out], built);
  return join(out, basename((JSON.parse(printed) as [{ filename: string }])[0].filename));
}

function published(manifest: Manifest, peers: readonly string[]): object {
  const { exports, devDependencies = {}, ...rest } = manifest;
  const stems = stemsOf(manifest);
  const entries = stems.map(([name, stem]) => [name, { types: `${stem}.d.ts`, default: `${stem}.js` }]);
  const main = stems.find(([name]) => name === '.')?.[1];
  const optional = Object.fromEntries(peers.map((name) => [name, { optional: true }]));
  return {
    ...rest,
    ...(main !== undefined && { main: `${main}.js`, types: `${main}.d.ts` }),
    ...(exports && { exports: Object.fromEntries(entries) }),
    ...(peers.length > 0 && {
      peerDependencies: Object.fromEntries(peers.map((name) => [name, devDependencies[name]])),
      peerDependenciesMeta: optional,
    }),
  };
}

/** Entry → its file without an ending: `./server` → `./src/server`. */
function stemsOf({ exports = {} }: Manifest): [string, string][] {
  return Object.entries(exports).map(([name, path]) => [name, path.replace(/\.ts$/, '')]);
}

/** Bundlers that know no `exports` (Metro before React Native 0.79) look for a file of the entry. */
function putEntryFiles(built: string, manifest: Manifest): void {
  for (const [name, stem] of stemsOf(manifest))
    if (name !== '.')
      for (const ending of ['js', 'd.ts'])
        writeFileSync(join(built, `${name}.${ending}`), `export * from '${stem}.js';\n`);
}

function run(command: string, args: readonly string[], cwd: string): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

const { values } = parseArgs({ options: { out: { type: 'string', default: join(repository, 'dist') } } });
const out = resolve(values.out);
mkdirSync(out, { recursive: true });
await buildDashboard();
for (const path of pack(out)) process.stdout.write(`${path}\n`);
