// The state as a small picture with its words in it, for a README.
import { type PublicStatus } from '../api/public-status.ts';
import { overall } from './overall.ts';
import { escapeText, indicatorStates, stateWords } from './words.ts';

const colours = {
  operational: '#1a7a48',
  degraded_performance: '#8a5200',
  partial_outage: '#8a5200',
  major_outage: '#b3261e',
  under_maintenance: '#5b3fb5',
  unknown: '#4a5568',
} as const;

const letterWidth = 6.6;

export function badge(status: PublicStatus | undefined, now: number): string {
  const state = indicatorStates[overall(status, now).indicator];
  const word = stateWords[state].toLowerCase();
  const [left, right] = [7 * letterWidth, (word.length + 2) * letterWidth];
  const width = Math.round(left + right);
  const label = escapeText(`${status?.title ?? 'status'}: ${word}`);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" role="img" aria-label="${label}">
<title>${label}</title><rect width="${width}" height="20" rx="3" fill="#3d444d"/>
<rect x="${left}" width="${right}" height="20" rx="3" fill="${colours[state]}"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11"><text x="6" y="14">status</text>
<text x="${left + letterWidth}" y="14">${word}</text></g></svg>
`;
}
