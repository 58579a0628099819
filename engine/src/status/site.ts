// The whole family of public pages by their paths below /status: for the gateway, which answers them, and for
// an export into a folder, which stands without anybody.
import { createHash } from 'node:crypto';
import { badge } from './badge.ts';
import { atomFeed, rssFeed } from './feeds.ts';
import { historyPage, incidentPage, statusPage, type Links } from './page.ts';
import type { PublicStatus } from '../api/public-status.ts';
import { jsonPaths, statuspageJson, type JsonPath } from './statuspage-json.ts';

export type Document = { readonly type: string; readonly body: string };

/** `path`: what follows `/status/`, empty for the page itself. Undefined where there is nothing. */
export function statusDocument(
  status: PublicStatus | undefined,
  path: string,
  now: number,
  base: string,
  link: Links,
): Document | undefined {
  const html = (body: string): Document => ({ type: 'text/html; charset=utf-8', body });
  if (path === '') return html(statusPage(status, now, link));
  if (path === 'history') return html(historyPage(status, now, link));
  if (path === 'history.atom')
    return { type: 'application/atom+xml; charset=utf-8', body: atomFeed(status, now, base) };
  if (path === 'history.rss')
    return { type: 'application/rss+xml; charset=utf-8', body: rssFeed(status, now, base) };
  if (path === 'badge.svg') return { type: 'image/svg+xml; charset=utf-8', body: badge(status, now) };
  const json = /^api\/v2\/(.+)\.json$/.exec(path)?.[1];
  if (json !== undefined && (jsonPaths as readonly string[]).includes(json)) {
    const body = JSON.stringify(statuspageJson(status, json as JsonPath, now, base));
    return { type: 'application/json; charset=utf-8', body };
  }
  const incident = /^incidents\/([\w-]{1,40})$/.exec(path)?.[1];
  const found = incident === undefined ? undefined : incidentPage(status, incident, now, link);
  return found === undefined ? undefined : html(found);
}

/** Of the content: the age of the report changes it, so that nobody keeps an old page for a new one. */
export function etagOf({ body }: Document): string {
  return `"${createHash('sha256').update(body).digest('base64url').slice(0, 20)}"`;
}

/** Every document as a file, with links that work from a folder. `base`: where it will be served. */
export function exportedFiles(
  status: PublicStatus,
  now: number,
  base: string,
): { path: string; body: string }[] {
  const paths = [
    ...['', 'history', 'history.atom', 'history.rss', 'badge.svg'],
    ...jsonPaths.map((each) => `api/v2/${each}.json`),
    ...status.incidents.map((each) => `incidents/${each.id}`),
  ];
  return paths.map((path) => {
    const up = '../'.repeat(path.split('/').length - 1);
    const found = statusDocument(status, path, now, base, (target) => `${up}${fileOf(target)}`)!;
    return { path: fileOf(path), body: found.body };
  });
}

function fileOf(path: string): string {
  if (path === '') return 'index.html';
  return /\.[a-z]+$/.test(path) ? path : `${path}.html`;
}
