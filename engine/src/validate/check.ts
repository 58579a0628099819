// A check and what came of it. V1 a check that could not look says so: `inconclusive` when nobody answered or
// too little was measured, `skipped` with the reason when there is nothing to look at. It never passes then.
import type { Suite } from '../api/suites.ts';
import { errorText } from '../errors.ts';
import type { Site } from './site.ts';

export type Severity = 'critical' | 'high' | 'medium' | 'low';
export type Verdict = 'pass' | 'fail' | 'inconclusive' | 'skipped';

export type Outcome = { readonly verdict: Verdict; readonly measured: string };

/** What checks look at; what is absent makes them say `skipped`. */
export type World = {
  readonly site: Site;
  /** The release that must answer. */
  readonly release?: string;
  readonly healthPath: string;
  /** Where the release stands in the health answer; absent where health does not name it. */
  readonly releaseField?: string;
  readonly token?: { readonly path: string; readonly headers: Readonly<Record<string, string>> };
  readonly speech?: {
    readonly planPath: string;
    readonly headers: Readonly<Record<string, string>>;
    /** A WAV file and what is said in it. */
    readonly clip: string;
    readonly text: string;
    readonly language?: string;
    /** Highest word error rate, and how long the first text may take, ms. */
    readonly errors: number;
    readonly firstTextMs: number;
  };
  readonly webSocketPath?: string;
  /** Where people come by plain http, if it is not the same host's port 80. */
  readonly plainUrl?: URL;
  /** Measured in turn with the site, where there is something to compare it with. */
  readonly baseline?: Site;
  /** Values that must not be served, by name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** The folder of crossfade.yaml, where there is one. */
  readonly folder?: string;
  readonly limits: Limits;
};

/** ms and shares. */
export type Limits = {
  readonly responseMs: number;
  readonly errorShare: number;
  readonly pageLoadMs: number;
};

export type Check = {
  /** `suite.name`; stays the same between versions. */
  readonly id: string;
  readonly suite: Suite;
  readonly severity: Severity;
  readonly what: string;
  readonly threshold: string;
  /** What to do when it fails. */
  readonly todo: string;
  readonly run: (world: World) => Promise<Outcome> | Outcome;
};

export type Finding = Omit<Check, 'run'> & Outcome & { readonly tookMs: number };

const checkLimitMs = 120_000;

export const pass = (measured: string): Outcome => ({ verdict: 'pass', measured });
export const fail = (measured: string): Outcome => ({ verdict: 'fail', measured });
export const unknown = (measured: string): Outcome => ({ verdict: 'inconclusive', measured });
export const skipped = (reason: string): Outcome => ({ verdict: 'skipped', measured: reason });

/** `fail` where it does not hold. */
export function judge(holds: boolean, measured: string): Outcome {
  return holds ? pass(measured) : fail(measured);
}

/** One after the other, so that none disturbs what another measures. */
export async function runChecks(
  checks: readonly Check[],
  world: World,
  onFinding: (finding: Finding) => void = () => undefined,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { run, ...about } of checks) {
    const startedAt = performance.now();
    const outcome = await limited(run, world);
    const finding = { ...about, ...outcome, tookMs: Math.round(performance.now() - startedAt) };
    findings.push(finding);
    onFinding(finding);
  }
  return findings;
}

/** V1: what throws has not looked. */
async function limited(run: Check['run'], world: World): Promise<Outcome> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Outcome>((resolve) => {
    timer = setTimeout(() => resolve(unknown(`no answer within ${checkLimitMs / 1000} s`)), checkLimitMs);
  });
  try {
    return await Promise.race([(async () => run(world))(), late]);
  } catch (error) {
    return unknown(errorText(error));
  } finally {
    clearTimeout(timer);
  }
}

/** 0 all well, 1 something failed, 4 nothing failed and something could not be told. */
export function exitCodeOf(findings: readonly Finding[]): 0 | 1 | 4 {
  if (findings.some(({ verdict }) => verdict === 'fail')) return 1;
  return findings.some(({ verdict }) => verdict === 'inconclusive') ? 4 : 0;
}
