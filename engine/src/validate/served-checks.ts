// What everybody can fetch: secrets in pages, scripts and maps, source maps, and files that belong on the
// server. Values that are found are named, never shown.
import { fail, judge, pass, skipped, unknown, type Check, type Outcome, type World } from './check.ts';
import { mapComment, type Served, type Site } from './site.ts';

const privateFiles: readonly (readonly [string, RegExp])[] = [
  ['/.env', /^\s*[A-Z][A-Z0-9_]*\s*=/m],
  ['/.git/config', /\[core\]/],
  ['/.git/HEAD', /^ref: refs\//],
  ['/package.json', /"dependencies"\s*:/],
  ['/crossfade.yaml', /^service:/m],
  ['/.npmrc', /_authToken|registry=/],
  ['/docker-compose.yml', /^services:/m],
  ['/server.key', /PRIVATE KEY/],
];

const publicSecretName = /\b(?:EXPO_PUBLIC|NEXT_PUBLIC|VITE|REACT_APP)_\w*(?:KEY|SECRET|TOKEN|PASSWORD)\w*/;

/** Prefixes that vendors give to their keys. */
const knownKeys: readonly (readonly [string, RegExp])[] = [
  ['an AWS access key', /\bAKIA[0-9A-Z]{16}\b/],
  ['a GitHub token', /\bgh[pousr]_[A-Za-z0-9]{36,}\b/],
  ['a Slack token', /\bxox[abprs]-[A-Za-z0-9-]{10,}/],
  ['an OpenAI key', /\bsk-[A-Za-z0-9_-]{32,}\b/],
  ['a Modal token', /\b(?:ak|as)-[A-Za-z0-9]{22}\b/],
  ['a private key', /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/],
  ['a Slack webhook', /hooks\.slack\.com\/services\/T\w+\/B\w+\/\w+/],
];

function found(served: readonly Served[], pattern: RegExp): string | undefined {
  const place = served.find(({ told }) => pattern.test(told.body));
  return place && `${place.path}: ${pattern.exec(place.told.body)![0].slice(0, 40)}`;
}

export const servedChecks: readonly Check[] = [
  {
    ...{ id: 'security.secret-values', suite: 'security', severity: 'critical' },
    what: 'no secret value of the server is in anything that is served',
    threshold: 'none of the values in app.env.file',
    todo: 'take it out of the build, and change the secret: it is public now',
    async run({ site, secrets }) {
      const names = Object.keys(secrets);
      if (names.length === 0) return skipped('no secret values are known here (app.env.file)');
      const served = await site.served();
      for (const { path, told } of served) {
        const text = `${told.body}\n${[...told.headers].flat().join('\n')}`;
        const leaked = secretIn(text, secrets);
        if (leaked !== undefined) return fail(`${path} holds the value of ${leaked}`);
      }
      return clean(site, `${names.length} values, not in ${served.length} files`);
    },
  },
  {
    ...{ id: 'security.public-names', suite: 'security', severity: 'high' },
    what: 'no variable that sounds like a secret is built into the page',
    threshold: 'no EXPO_PUBLIC_…KEY and the like',
    todo: 'keep it on the server, and give the page short-lived tokens',
    async run({ site }) {
      const place = found(await site.served(), publicSecretName);
      return place === undefined ? clean(site, 'none') : fail(place);
    },
  },
  {
    ...{ id: 'security.known-keys', suite: 'security', severity: 'critical' },
    what: 'nothing served looks like a vendor’s key',
    threshold: `none of ${knownKeys.length} known forms`,
    todo: 'take it out, and change the key: it is public now',
    async run({ site }) {
      const served = await site.served();
      for (const [name, pattern] of knownKeys) {
        const place = served.find(({ told }) => pattern.test(told.body));
        if (place) return fail(`${place.path} holds what looks like ${name}`);
      }
      return clean(site, `none in ${served.length} files`);
    },
  },
  {
    ...{ id: 'security.source-maps', suite: 'security', severity: 'medium' },
    what: 'source maps are not public',
    threshold: 'no map can be fetched',
    todo: 'build without maps, or upload them to your error tracker and delete them',
    async run(world) {
      const open = await openMap(world, await world.site.served());
      return open === undefined ? clean(world.site, 'none') : fail(open);
    },
  },
  {
    ...{ id: 'security.private-files', suite: 'security', severity: 'critical' },
    what: 'files of the server are not served',
    threshold: `none of ${privateFiles.length}`,
    todo: 'serve only the folder that the build makes',
    async run({ site }) {
      for (const [path, pattern] of privateFiles) {
        const { status, body } = await site.ask(path);
        if (status === 200 && pattern.test(body)) return fail(`${path} can be fetched`);
      }
      return pass('none');
    },
  },
  {
    ...{ id: 'security.listing', suite: 'security', severity: 'medium' },
    what: 'folders are not listed',
    threshold: 'no listing',
    todo: 'turn listings off',
    async run({ site }) {
      const folders = (await site.served()).map(({ path }) => path.slice(0, path.lastIndexOf('/') + 1));
      for (const folder of new Set(folders.filter((path) => path !== '/'))) {
        const { status, body } = await site.ask(folder);
        if (status === 200 && /<title>(?:Index of|Listing)|Directory listing/i.test(body))
          return fail(folder);
      }
      return pass('none');
    },
  },
  {
    ...{ id: 'security.mixed', suite: 'security', severity: 'medium' },
    what: 'the page loads nothing over plain http',
    threshold: 'no http: address in src or href of scripts and styles',
    todo: 'use https: or paths of your own',
    async run({ site }) {
      const place = found(
        await site.served(),
        /<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=["']http:\/\/(?!localhost|127\.)/i,
      );
      return place === undefined ? clean(site, 'none') : fail(place);
    },
  },
  {
    ...{ id: 'security.integrity', suite: 'security', severity: 'low' },
    what: 'scripts of other sites are pinned by their hash',
    threshold: 'integrity on each of them',
    todo: 'add integrity and crossorigin, or serve them yourself',
    async run({ site }) {
      const { body } = await site.front();
      const foreign = [...body.matchAll(/<script\b[^>]*\bsrc=["'](?:https?:)?\/\/[^>]*>/gi)].map(
        ([tag]) => tag,
      );
      const open = foreign.filter((tag) => !/\bintegrity=/.test(tag));
      return judge(open.length === 0, open[0]?.slice(0, 80) ?? `${foreign.length} foreign scripts`);
    },
  },
  {
    ...{ id: 'security.links', suite: 'security', severity: 'medium' },
    what: 'everything the pages lead to is there',
    threshold: 'no 404 and no 5xx among what pages and styles name',
    todo: 'deploy what is missing, or take the link out',
    async run({ site }) {
      // A text in a script that looks like a path need not be one.
      const served = (await site.served()).filter(({ isLinked }) => isLinked);
      if (served.length === 0) return unknown('nothing is served');
      const broken = served.filter(({ told }) => told.status === 404 || told.status >= 500);
      return judge(
        broken.length === 0,
        broken[0] ? `${broken[0].path}: ${broken[0].told.status}` : `${served.length} files`,
      );
    },
  },
];

/** V1: what was not looked at whole is no pass. */
async function clean(site: Site, measured: string): Promise<Outcome> {
  const unseen = await site.unseen();
  return unseen === undefined ? pass(measured) : unknown(`${measured}, but ${unseen}`);
}

/** The name of the secret whose value stands in a text: as it is, or as in JSON, an address or base64. */
export function secretIn(text: string, secrets: Readonly<Record<string, string>>): string | undefined {
  return Object.keys(secrets).find((name) => formsOf(secrets[name]!).some((form) => text.includes(form)));
}

function formsOf(value: string): string[] {
  const bytes = Buffer.from(value);
  return [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value), bytes.toString('base64')];
}

async function openMap({ site }: World, served: readonly Served[]): Promise<string | undefined> {
  for (const { path, told } of served) {
    if (!/javascript|css/.test(told.headers.get('content-type') ?? '')) continue;
    const named = [...told.body.matchAll(mapComment)].map((match) => match[1]!);
    if (named.some((name) => name.startsWith('data:'))) return `${path} holds its map inline`;
    for (const name of [...named, `${path.split('/').at(-1)!.split('?')[0]}.map`]) {
      const map = new URL(name, new URL(path, site.origin));
      if (map.origin !== site.origin) continue;
      const { status, body } = await site.ask(map.pathname);
      if (status === 200 && body.includes('"mappings"')) return `${map.pathname} can be fetched`;
    }
  }
  return undefined;
}
