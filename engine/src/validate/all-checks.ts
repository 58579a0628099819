// Every check, in the order in which they run: what must work before the rest means anything comes first.
import type { Suite } from '../api/suites.ts';
import { apiChecks } from './api-checks.ts';
import { browserChecks } from './browser-checks.ts';
import type { Check } from './check.ts';
import { configChecks } from './config-checks.ts';
import { healthChecks } from './health-checks.ts';
import { performanceChecks } from './performance-checks.ts';
import { securityChecks } from './security-checks.ts';
import { servedChecks } from './served-checks.ts';
import { speechChecks } from './speech-checks.ts';
import { tlsChecks } from './tls-checks.ts';
import { tokenChecks } from './token-checks.ts';

const all: readonly Check[] = [
  ...healthChecks,
  ...apiChecks,
  ...securityChecks,
  ...tlsChecks,
  ...servedChecks,
  ...configChecks,
  ...performanceChecks,
  ...browserChecks,
  ...speechChecks,
  ...tokenChecks,
];

export function checksOf(suites: readonly Suite[]): Check[] {
  return all.filter(({ suite }) => suites.includes(suite));
}
