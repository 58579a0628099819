// The page's files, read once and kept: index.html, styles, and the browser's modules with their types
// stripped. Of the speech package it gives out what the page's two entries reach, and nothing else: the token
// handlers and the local servers never leave the machine. Only what is in the map has an address, so no path
// can climb out of it.
import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { MICROPHONE_WORKLET } from '@crossfade/speech/microphone';

type StaticFile = { readonly body: string; readonly kind: string; readonly tag: string };

const page = new URL('./page/', import.meta.url);
const kinds: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  ts: 'text/javascript; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
};
/** What the page may import of the speech package, and where it is served. */
const speechEntries = ['@crossfade/speech', '@crossfade/speech/microphone'];

/** Files by path. */
export class StaticFiles {
  readonly #files: ReadonlyMap<string, StaticFile>;

  constructor(files: ReadonlyMap<string, StaticFile>) {
    this.#files = files;
  }

  get paths(): readonly string[] {
    return [...this.#files.keys()];
  }

  document(): Response {
    const { body, kind } = this.#files.get('/index.html')!;
    return new Response(body, { headers: { 'content-type': kind, 'cache-control': 'no-store' } });
  }

  answer(path: string, request: Request): Response | undefined {
    const file = path === '/index.html' ? undefined : this.#files.get(path);
    if (!file) return undefined;
    const headers = { 'content-type': file.kind, 'cache-control': 'no-cache', etag: file.tag };
    const isKnown = request.headers.get('if-none-match') === file.tag;
    return isKnown ? new Response(null, { status: 304, headers }) : new Response(file.body, { headers });
  }
}

export async function loadStaticFiles(): Promise<StaticFiles> {
  const entries = new Map(speechEntries.map((name) => [name, new URL(import.meta.resolve(name))]));
  const speech = await speechModules([...entries.values()]);
  const addresses = new Map([...entries].map(([name, url]) => [name, speechPath(url)]));
  const own = await readdir(page);
  const pageFiles = own.map(async (name) => {
    const file = fileOf(name, await readFile(new URL(name, page), 'utf8'), addresses);
    return [`/${name}`, file] as const;
  });
  const speechFiles = [...speech].map(
    ([href, text]) => [speechPath(new URL(href)), fileOf(href, text, addresses)] as const,
  );
  // A file of its own, since the page's policy forbids scripts made in the page.
  const worklet = ['/microphone-worklet.js', fileOf('worklet.js', MICROPHONE_WORKLET, addresses)] as const;
  return new StaticFiles(new Map([...(await Promise.all(pageFiles)), ...speechFiles, worklet]));
}

/** The entries and all that they import at run time, by href. */
async function speechModules(entries: readonly URL[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const waiting = [...entries];
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    if (found.has(next.href)) continue;
    const text = await readFile(next, 'utf8');
    found.set(next.href, text);
    const imports = stripped(next.href, text).matchAll(/\bfrom\s+'(\.[^']+)'|\bimport\(?\s*'(\.[^']+)'/g);
    for (const each of imports) waiting.push(new URL(each[1] ?? each[2]!, next));
  }
  return found;
}

/** /speech/NAME: the package's modules stand side by side in one folder. */
function speechPath(url: URL): string {
  return `/speech/${url.pathname.slice(url.pathname.lastIndexOf('/') + 1)}`;
}

function fileOf(name: string, text: string, addresses: ReadonlyMap<string, string>): StaticFile {
  const body = stripped(name, text).replace(
    /(\bfrom\s+|\bimport\(\s*)'(@crossfade\/speech[^']*)'/g,
    (_, keyword: string, wanted: string) => `${keyword}'${addresses.get(wanted) ?? wanted}'`,
  );
  const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
  return { body, kind: kinds[name.slice(name.lastIndexOf('.') + 1)] ?? 'application/octet-stream', tag };
}

function stripped(name: string, text: string): string {
  return name.endsWith('.ts') ? stripTypeScriptTypes(text) : text;
}
