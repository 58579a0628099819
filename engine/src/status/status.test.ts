// What everybody outside is shown, from made-up reports: the rules of precedence, the shape that readers of
// Statuspage expect, the rules of Atom and RSS, and that nothing pushed becomes markup.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { z } from 'zod';
import { componentStates, impacts, type PublicStatus } from '../api/public-status.ts';
import { atomFeed, rssFeed } from './feeds.ts';
import { overall } from './overall.ts';
import { etagOf, exportedFiles, statusDocument } from './site.ts';
import { jsonPaths, statuspageJson } from './statuspage-json.ts';
import { dayText } from './words.ts';

const base = 'https://example.org/status';
const now = Date.UTC(2026, 10, 27, 12);

const quiet: PublicStatus = {
  service: 'voice',
  title: 'Voice',
  components: [{ id: 'app', name: 'Application', state: 'operational', text: '', since: now }],
  incidents: [],
  maintenances: [],
  updatedAt: now,
};
const incident: PublicStatus['incidents'][number] = {
  id: 'i1',
  title: 'A change is being taken back',
  status: 'identified',
  impact: 'none',
  openedAt: now - 60_000,
  updates: [{ at: now - 60_000, status: 'identified', text: 'We found <b>a problem</b> & go back.' }],
};
const windowOf = (status: 'scheduled' | 'in_progress' | 'completed') =>
  ({ id: 'm1', title: 'Move', text: 'A move', status, from: now, until: now + 1 }) as const;

test('an open incident is never "all operational", whatever its impact and the components say', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...impacts),
      fc.constantFrom('investigating', 'identified', 'monitoring'),
      (impact, status) => {
        const open = { ...quiet, incidents: [{ ...incident, impact, status: status as 'identified' }] };
        assert.notEqual(overall(open, now).indicator, 'none');
        assert.doesNotMatch(overall(open, now).sentence, /operational/);
      },
    ),
  );
  assert.equal(
    overall({ ...quiet, incidents: [{ ...incident, status: 'resolved' }] }, now).indicator,
    'none',
  );
});

test('old is unknown, a maintenance is no outage, and the gravest wins', () => {
  assert.equal(overall(undefined, now).indicator, 'unknown');
  assert.equal(overall(quiet, now + 30_001).indicator, 'unknown');
  assert.equal(overall(quiet, now + 30_000).indicator, 'none');
  assert.equal(overall({ ...quiet, maintenances: [windowOf('in_progress')] }, now).indicator, 'maintenance');
  for (const status of ['scheduled', 'completed'] as const)
    assert.equal(overall({ ...quiet, maintenances: [windowOf(status)] }, now).indicator, 'none');
  const down = quiet.components.map((each) => ({ ...each, state: 'major_outage' as const }));
  assert.equal(
    overall({ ...quiet, components: down, maintenances: [windowOf('in_progress')] }, now).indicator,
    'critical',
  );
  const unwatched = quiet.components.map((each) => ({ ...each, state: 'unknown' as const }));
  assert.equal(overall({ ...quiet, components: unwatched }, now).indicator, 'unknown');
});

const iso = z.iso.datetime();
const page = z.strictObject({
  id: z.string(),
  name: z.string(),
  url: z.url(),
  time_zone: z.string(),
  updated_at: iso,
});
const component = z.object({
  ...{ id: z.string(), name: z.string(), position: z.int(), description: z.string().nullable() },
  status: z.enum(componentStates.filter((each) => each !== 'unknown')),
  ...{ created_at: iso, updated_at: iso, showcase: z.boolean(), start_date: z.null(), group: z.boolean() },
  ...{ group_id: z.null(), page_id: z.string(), only_show_if_degraded: z.boolean() },
});
const update = z.strictObject({
  ...{ id: z.string(), incident_id: z.string(), status: z.string(), body: z.string() },
  ...{ created_at: iso, updated_at: iso, display_at: iso },
});
const told = z.object({
  ...{
    id: z.string(),
    name: z.string(),
    impact: z.enum([...impacts, 'maintenance']),
    created_at: iso,
    updated_at: iso,
  },
  status: z.enum([
    'investigating',
    'identified',
    'monitoring',
    'resolved',
    'postmortem',
    'scheduled',
    'in_progress',
    'completed',
  ]),
  ...{
    started_at: iso,
    monitoring_at: iso.nullable(),
    resolved_at: iso.nullable(),
    shortlink: z.url(),
    page_id: z.string(),
  },
  ...{ incident_updates: z.array(update), components: z.array(component) },
});
const maintenance = told.extend({ scheduled_for: iso, scheduled_until: iso });
const state = z.strictObject({ indicator: z.enum([...impacts, 'maintenance']), description: z.string() });
const shapes = {
  summary: z.strictObject({
    ...{ page, status: state, components: z.array(component), incidents: z.array(told) },
    scheduled_maintenances: z.array(maintenance),
  }),
  status: z.strictObject({ page, status: state }),
  components: z.strictObject({ page, components: z.array(component) }),
  incidents: z.strictObject({ page, incidents: z.array(told) }),
  'incidents/unresolved': z.strictObject({ page, incidents: z.array(told) }),
  'scheduled-maintenances': z.strictObject({ page, scheduled_maintenances: z.array(maintenance) }),
  'scheduled-maintenances/upcoming': z.strictObject({ page, scheduled_maintenances: z.array(maintenance) }),
  'scheduled-maintenances/active': z.strictObject({ page, scheduled_maintenances: z.array(maintenance) }),
};

test('a reader of Statuspage finds every documented field, also when nobody reports', () => {
  const busy = { ...quiet, incidents: [incident], maintenances: [windowOf('scheduled')] };
  for (const path of jsonPaths) {
    for (const [status, at] of [
      [busy, now],
      [busy, now + 60_000],
      [quiet, now],
      [undefined, now],
    ] as const)
      shapes[path].parse(statuspageJson(status, path, at, base));
  }
  const unknown = statuspageJson(quiet, 'components', now + 60_000, base) as {
    components: { description: string; crossfade_state: string }[];
  };
  assert.match(unknown.components[0]!.description, /^unknown: the last report is too old/);
  assert.equal(unknown.components[0]!.crossfade_state, 'unknown');
  const summary = shapes.summary.parse(statuspageJson(busy, 'summary', now, base));
  assert.deepEqual([summary.incidents.length, summary.scheduled_maintenances.length], [1, 1]);
  assert.equal(summary.incidents[0]!.incident_updates[0]!.body, 'We found <b>a problem</b> & go back.');
});

/** Enough of XML for a feed: every tag is closed in its order, and text is escaped. */
function elements(xml: string): string[] {
  const open: string[] = [];
  const seen: string[] = [];
  for (const [, close, name, rest] of xml
    .replace(/^<\?xml[^>]*\?>/, '')
    .matchAll(/<(\/?)([\w:]+)([^>]*)>/g)) {
    if (close) assert.equal(open.pop(), name);
    else {
      seen.push(name!);
      if (!rest!.endsWith('/')) open.push(name!);
    }
  }
  assert.deepEqual(open, []);
  assert.doesNotMatch(xml.replace(/&#\d+;/g, ''), /&/);
  return seen;
}

test('Atom has what RFC 4287 demands, entries keep their id, and RSS has its items', () => {
  const busy = { ...quiet, incidents: [incident], maintenances: [windowOf('completed')] };
  const atom = atomFeed(busy, now, base);
  const names = elements(atom);
  for (const name of ['id', 'title', 'updated', 'author']) assert.ok(names.includes(name), name);
  assert.equal(names.filter((each) => each === 'entry').length, 2);
  assert.match(atom, /<link rel="self"[^>]*history\.atom"\/>/);
  const ids = (text: string) => [...text.matchAll(/<id>([^<]+)<\/id>/g)].map((each) => each[1]!);
  assert.equal(new Set(ids(atom)).size, 3);
  const later = {
    ...incident,
    updates: [{ at: now, status: 'resolved', text: 'Done.' }, ...incident.updates],
  };
  const after = atomFeed({ ...busy, incidents: [later] }, now, base);
  assert.deepEqual(ids(after).sort(), ids(atom).sort(), 'an id never changes');
  assert.notEqual(after, atom);
  for (const [, at] of atom.matchAll(/<(?:updated|published)>([^<]+)</g))
    assert.ok(iso.safeParse(at).success, at);
  const rss = rssFeed(busy, now, base);
  assert.equal(elements(rss).filter((each) => each === 'item').length, 2);
  assert.match(
    rss,
    /<guid isPermaLink="false">[^<]+<\/guid><pubDate>\w{3}, \d{2} \w{3} \d{4} [\d:]+ GMT<\/pubDate>/,
  );
});

test('nothing pushed becomes markup, and days are told in words', () => {
  const evil = '<script>alert("x")</script>';
  const days = [
    { day: '2026-11-12', seenS: 86_400, downS: 660 },
    { day: '2026-11-13', seenS: 0, downS: 0 },
  ];
  const status: PublicStatus = {
    ...quiet,
    title: evil,
    components: [{ ...quiet.components[0]!, name: evil, text: evil, days }],
    incidents: [{ ...incident, title: evil, updates: [{ at: now, status: 'identified', text: evil }] }],
    maintenances: [{ ...windowOf('scheduled'), title: evil, text: evil }],
  };
  for (const { path, body } of exportedFiles(status, now, base))
    if (!path.endsWith('.json')) assert.doesNotMatch(body, /<script/, path);
  assert.equal(dayText(days[0]!), '12 Nov 2026: 99.23 %, 11 min down');
  assert.equal(dayText(days[1]!), '13 Nov 2026: no data');
  assert.match(
    statusDocument(status, '', now, base, (each) => each)!.body,
    /99\.23 % over 1 of 2 days with data/,
  );
});

test('an export has every page, and its links lead to its own files', () => {
  const files = exportedFiles({ ...quiet, incidents: [incident] }, now, base);
  const names = new Set(files.map((each) => each.path));
  for (const { path, body } of files.filter((each) => each.path.endsWith('.html'))) {
    for (const [, target] of body.matchAll(/href="([^"]+)"/g)) {
      const found = new URL(target!, `https://x/${path}`).pathname.slice(1);
      assert.ok(names.has(found), `${path} leads to ${target}`);
    }
  }
  const page_ = statusDocument(quiet, '', now, base, (each) => each)!;
  assert.notEqual(etagOf(page_), etagOf(statusDocument(quiet, '', now + 5_000, base, (each) => each)!));
});
