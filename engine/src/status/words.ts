// States, days and times as words: nothing on the page is told by colour alone.
import type { ComponentState, Day } from '../api/public-status.ts';
import type { Indicator } from './overall.ts';
import { upShare } from './overall.ts';

export const stateWords: Readonly<Record<ComponentState, string>> = {
  operational: 'Operational',
  degraded_performance: 'Degraded performance',
  partial_outage: 'Partial outage',
  major_outage: 'Major outage',
  under_maintenance: 'Under maintenance',
  unknown: 'Unknown',
};

/** Shapes that differ without colour. */
export const stateShapes: Readonly<Record<ComponentState, string>> = {
  operational: '●',
  degraded_performance: '◐',
  partial_outage: '▲',
  major_outage: '■',
  under_maintenance: '◆',
  unknown: '○',
};

export const indicatorStates: Readonly<Record<Indicator, ComponentState>> = {
  none: 'operational',
  minor: 'degraded_performance',
  major: 'partial_outage',
  critical: 'major_outage',
  maintenance: 'under_maintenance',
  unknown: 'unknown',
};

export function percent(share: number): string {
  return `${(Math.floor(share * 10_000) / 100).toFixed(2)} %`;
}

export function minutes(seconds: number): string {
  if (seconds === 0) return 'none down';
  return seconds < 60 ? `${Math.ceil(seconds)} s down` : `${Math.round(seconds / 60)} min down`;
}

/** `12 Nov 2026: 99.20 %, 11 min down`. */
export function dayText(day: Day): string {
  const share = upShare([day]);
  const name = dateText(Date.parse(`${day.day}T00:00:00Z`));
  return share === undefined ? `${name}: no data` : `${name}: ${percent(share)}, ${minutes(day.downS)}`;
}

export function dayState(day: Day): ComponentState {
  const share = upShare([day]);
  if (share === undefined) return 'unknown';
  if (share >= 0.999) return 'operational';
  return share >= 0.99 ? 'degraded_performance' : share >= 0.95 ? 'partial_outage' : 'major_outage';
}

const months = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

export function dateText(at: number): string {
  const date = new Date(at);
  return `${date.getUTCDate()} ${months[date.getUTCMonth()]} ${date.getUTCFullYear()}`;
}

export function timeText(at: number): string {
  return `${dateText(at)}, ${new Date(at).toISOString().slice(11, 16)} UTC`;
}

export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
