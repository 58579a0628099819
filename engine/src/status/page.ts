// The public pages: static HTML that needs no JavaScript, readable at 360 px and in the dark, every state a
// word and a shape. P1 all that was pushed is escaped. P2 what is old says how old it is, and is unknown.
import {
  type PublicComponent,
  type PublicIncident,
  type PublicMaintenance,
  type PublicStatus,
} from '../api/public-status.ts';
import { isOpenIncident, isStale, overall, shownComponents, upShare } from './overall.ts';
import { styles } from './styles.ts';
import {
  dateText,
  dayState,
  dayText,
  escapeText as esc,
  indicatorStates,
  minutes,
  percent,
  stateShapes,
  stateWords,
  timeText,
} from './words.ts';

/** How a page names another: `/status/history` at the gateway, `history.html` in an export. */
export type Links = (path: string) => string;

const shownDays = 90;

export function statusPage(status: PublicStatus | undefined, now: number, link: Links): string {
  const { sentence, indicator } = overall(status, now);
  const state = indicatorStates[indicator];
  const open = status?.incidents.filter(isOpenIncident) ?? [];
  const windows = status?.maintenances.filter((each) => each.status !== 'completed') ?? [];
  const body = `<p class="banner ${state}" role="status"><span aria-hidden="true">${stateShapes[state]}</span> ${esc(sentence)}</p>
${status?.rollout && !isStale(status, now) ? `<p class="quiet">${esc(status.rollout)}</p>` : ''}
${section('Incidents', open.map((each) => incidentPart(each, link)).join(''))}
${section('Maintenance', windows.map(maintenancePart).join(''))}
${section('Components', shownComponents(status, now).map(componentPart).join(''))}
<p><a href="${link('history')}">Earlier incidents</a></p>`;
  return page(status, now, link, 'Status', body);
}

export function historyPage(status: PublicStatus | undefined, now: number, link: Links): string {
  const months = Map.groupBy(status?.incidents ?? [], (each) =>
    dateText(each.openedAt).split(' ').slice(1).join(' '),
  );
  const parts = [...months].map(([month, incidents]) =>
    section(month, incidents.map((each) => incidentPart(each, link)).join('')),
  );
  const done = status?.maintenances.filter((each) => each.status === 'completed') ?? [];
  const body = `${parts.join('') || '<p>No incident is on record.</p>'}
${section('Maintenance that is over', done.map(maintenancePart).join(''))}
<p><a href="${link('')}">Status now</a></p>`;
  return page(status, now, link, 'History', body);
}

/** Undefined for an incident that is not on record. */
export function incidentPage(
  status: PublicStatus | undefined,
  id: string,
  now: number,
  link: Links,
): string | undefined {
  const incident = status?.incidents.find((each) => each.id === id);
  if (!incident) return undefined;
  return page(
    status,
    now,
    link,
    incident.title,
    `${section('Incident', incidentPart(incident, link))}
<p><a href="${link('')}">Status now</a> · <a href="${link('history')}">Earlier incidents</a></p>`,
  );
}

/** A page of one message or form; `body` is markup of our own. */
export function messagePage(status: PublicStatus | undefined, now: number, body: string): string {
  const link: Links = (path) => (path === '' ? '/status' : `/status/${path}`);
  return page(status, now, link, 'Mail', `${section('Mail', body)}<p><a href="/status">Status now</a></p>`);
}

function page(
  status: PublicStatus | undefined,
  now: number,
  link: Links,
  title: string,
  body: string,
): string {
  const name = esc(status?.title ?? 'This service');
  const seconds = status ? Math.max(0, Math.round((now - status.updatedAt) / 1000)) : undefined;
  const age = seconds === undefined ? 'No report has come yet.' : `Data is ${seconds} s old`;
  const when = status ? `, of ${time(status.updatedAt)}.` : '';
  const contact = status?.contact ? ` <span>Contact: ${esc(status.contact)}</span>` : '';
  const mail = status?.canSubscribe ? `<a href="${link('subscribe')}">by mail</a> · ` : '';
  const feeds = `${mail}<a href="${link('history.atom')}">Atom</a> · <a href="${link('history.rss')}">RSS</a> · <a href="${link('api/v2/summary.json')}">JSON</a>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${esc(title)}: ${name}</title>
<link rel="alternate" type="application/atom+xml" title="${name}: incidents" href="${link('history.atom')}">
<link rel="alternate" type="application/rss+xml" title="${name}: incidents" href="${link('history.rss')}">
<style>${styles}</style></head>
<body><header><h1>${name}</h1></header><main>
${body}
</main><footer><p>${age}${when}${contact}</p><p>Subscribe: ${feeds}</p></footer></body></html>
`;
}

function section(title: string, inner: string): string {
  return inner === '' ? '' : `<section><h2>${esc(title)}</h2>${inner}</section>\n`;
}

function time(at: number): string {
  return `<time datetime="${new Date(at).toISOString()}">${timeText(at)}</time>`;
}

function incidentPart(
  { id, title, impact, updates, openedAt, resolvedAt }: PublicIncident,
  link: Links,
): string {
  const lines = updates.map(
    ({ at, status, text }) =>
      `<li><strong>${capital(status)}</strong> ${esc(text)} <span class="quiet">${time(at)}</span></li>`,
  );
  const lasted =
    resolvedAt === undefined ? '' : `, ${Math.max(1, Math.round((resolvedAt - openedAt) / 60_000))} min`;
  return `<article><h3><a href="${link(`incidents/${encodeURIComponent(id)}`)}">${esc(title)}</a></h3>
<p class="quiet">Impact: ${impact}. Began ${time(openedAt)}${lasted}.</p><ol class="updates">${lines.join('')}</ol></article>`;
}

function maintenancePart({ title, text, status, from, until }: PublicMaintenance): string {
  return `<article><h3>${esc(title)}</h3><p>${esc(text)}</p>
<p class="quiet">${capital(status.replace('_', ' '))}: ${time(from)} to ${time(until)}.</p></article>`;
}

function componentPart({ name, state, text, days }: PublicComponent): string {
  return `<article class="component"><h3>${esc(name)}</h3>
<p class="state ${state}"><span aria-hidden="true">${stateShapes[state]}</span> ${stateWords[state]}</p>
${text === '' ? '' : `<p class="quiet">${esc(text)}</p>`}${days ? bars(name, days) : ''}</article>`;
}

/** A list of days for everybody who reads, bars for who sees, and the same as a table. */
function bars(name: string, days: NonNullable<PublicComponent['days']>): string {
  const shown = days.slice(-shownDays);
  const share = upShare(shown);
  const known = shown.filter((each) => each.seenS > 0);
  const summary =
    share === undefined
      ? 'no data yet'
      : `${percent(share)} over ${known.length} of ${shown.length} days with data`;
  const items = shown
    .map((each) => `<li class="${dayState(each)}"><span>${dayText(each)}</span></li>`)
    .join('');
  const rows = known
    .map(
      (each) =>
        `<tr><th scope="row">${each.day}</th><td>${percent(upShare([each])!)}</td><td>${minutes(each.downS)}</td></tr>`,
    )
    .join('');
  const table =
    rows === ''
      ? ''
      : `<details><summary>${esc(name)}, day by day</summary><table><thead><tr><th scope="col">Day (UTC)</th><th scope="col">Up</th><th scope="col">Down</th></tr></thead><tbody>${rows}</tbody></table></details>`;
  return `<ol class="days" aria-label="${esc(name)}, the last ${shown.length} days">${items}</ol><p class="quiet">${summary}</p>${table}`;
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
