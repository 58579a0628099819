// The dashboard, built by Vite into engine/assets/dashboard, from where the controller serves it and the
// package carries it. Built beside it and renamed, so a controller never serves half of one; skipped where
// the sources are those of the last build. Called by `npm run build`, `npm start` and tests, or run by
// itself.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('..', import.meta.url));
const source = join(repository, 'dashboard');
const target = join(repository, 'engine/assets/dashboard');
const mark = 'sources.sha256';

/** Whether something was built; rejects where it does not build. */
export async function buildDashboard(): Promise<boolean> {
  const sources = sourcesHash();
  if (isOf(sources)) return false;
  const { build } = await import('vite');
  const fresh = `${target}.${randomBytes(4).toString('hex')}`;
  try {
    await build({
      configFile: false,
      root: source,
      logLevel: 'warn',
      oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
      // An asset inside a style sheet would be a data: address, which the content policy refuses.
      build: { outDir: fresh, emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false } },
    });
    writeFileSync(join(fresh, mark), sources);
    putInPlace(fresh, sources);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return true;
}

function putInPlace(fresh: string, sources: string): void {
  const old = `${fresh}.old`;
  mkdirSync(join(repository, 'engine/assets'), { recursive: true });
  try {
    if (existsSync(target)) renameSync(target, old);
    renameSync(fresh, target);
  } catch (error) {
    // Somebody else has built the same meanwhile.
    if (!isOf(sources)) throw error;
  } finally {
    rmSync(old, { recursive: true, force: true });
  }
}

function isOf(sources: string): boolean {
  const path = join(target, mark);
  return existsSync(path) && readFileSync(path, 'utf8') === sources;
}

function sourcesHash(): string {
  const hash = createHash('sha256');
  const files = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((each) => each.isFile() && !each.parentPath.includes('node_modules'))
    .map((each) => join(each.parentPath, each.name))
    .sort();
  for (const path of files) hash.update(path.slice(source.length)).update(readFileSync(path));
  return hash.digest('hex');
}

if (import.meta.main) await buildDashboard();
