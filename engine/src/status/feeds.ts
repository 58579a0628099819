// Incidents and maintenance in one feed: Atom (RFC 4287) and RSS 2.0. An entry's id never changes, its date
// does with each update.
import type { PublicStatus } from '../api/public-status.ts';
import { escapeText as esc, timeText } from './words.ts';

type Entry = {
  readonly id: string;
  readonly title: string;
  readonly url: string;
  readonly published: number;
  readonly updated: number;
  readonly text: string;
};

const shownEntries = 50;

function entriesOf(status: PublicStatus | undefined, base: string): readonly Entry[] {
  const incidents = (status?.incidents ?? []).map(({ id, title, openedAt, updates }) => ({
    ...{ id, title, url: `${base}/incidents/${id}`, published: openedAt },
    updated: updates[0]?.at ?? openedAt,
    text: updates.map((each) => `${each.status}, ${timeText(each.at)}: ${each.text}`).join('\n'),
  }));
  const windows = (status?.maintenances ?? []).map(({ id, title, text, from, until, endedAt }) => ({
    ...{ id, title: `Maintenance: ${title}`, url: `${base}/history`, published: from },
    updated: endedAt ?? from,
    text: `${timeText(from)} to ${timeText(until)}: ${text}`,
  }));
  return [...incidents, ...windows].toSorted((a, b) => b.updated - a.updated).slice(0, shownEntries);
}

export function atomFeed(status: PublicStatus | undefined, now: number, base: string): string {
  const entries = entriesOf(status, base);
  const tag = (id: string): string =>
    `tag:${hostOf(base)},2026:crossfade/${status?.service ?? 'service'}/${id}`;
  const items = entries.map(
    (each) => `<entry><id>${esc(tag(each.id))}</id><title>${esc(each.title)}</title>
<link rel="alternate" type="text/html" href="${esc(each.url)}"/>
<published>${iso(each.published)}</published><updated>${iso(each.updated)}</updated>
<content type="text">${esc(each.text)}</content></entry>`,
  );
  const title = esc(`${status?.title ?? 'This service'}: incidents and maintenance`);
  const updated = entries[0]?.updated ?? status?.updatedAt ?? now;
  return `<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><id>${esc(tag('feed'))}</id><title>${title}</title>
<updated>${iso(updated)}</updated><author><name>${esc(status?.title ?? 'This service')}</name></author>
<link rel="self" type="application/atom+xml" href="${esc(`${base}/history.atom`)}"/>
<link rel="alternate" type="text/html" href="${esc(base)}"/>
${items.join('\n')}
</feed>
`;
}

export function rssFeed(status: PublicStatus | undefined, now: number, base: string): string {
  const items = entriesOf(status, base).map(
    (each) => `<item><title>${esc(each.title)}</title><link>${esc(each.url)}</link>
<guid isPermaLink="false">${esc(`${base}#${each.id}`)}</guid><pubDate>${new Date(each.published).toUTCString()}</pubDate>
<description>${esc(each.text)}</description></item>`,
  );
  const title = esc(`${status?.title ?? 'This service'}: incidents and maintenance`);
  return `<?xml version="1.0" encoding="utf-8"?>
<rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom"><channel><title>${title}</title><link>${esc(base)}</link>
<description>${title}</description><lastBuildDate>${new Date(status?.updatedAt ?? now).toUTCString()}</lastBuildDate>
<atom:link rel="self" type="application/rss+xml" href="${esc(`${base}/history.rss`)}"/>
${items.join('\n')}
</channel></rss>
`;
}

function hostOf(base: string): string {
  try {
    return new URL(base).hostname;
  } catch {
    // An export that knows no address.
    return 'localhost';
  }
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
