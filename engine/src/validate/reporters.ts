// The findings for people, for programs and for GitHub. SARIF 2.1.0, JUnit XML, TAP 14, GitHub's workflow
// commands (ten errors and ten warnings a step are shown: the worst come first, the rest stands in the
// summary).
import { hash } from 'node:crypto';
import type { Finding, Severity, Verdict } from './check.ts';

export const reporterNames = [
  'pretty',
  'json',
  'junit',
  'sarif',
  'tap',
  'markdown',
  'github',
  'sentence',
] as const;
export type ReporterName = (typeof reporterNames)[number];

export type Report = { readonly target: string; readonly at: number; readonly findings: readonly Finding[] };

const worstFirst: readonly Severity[] = ['critical', 'high', 'medium', 'low'];
const shownOnGithub = 10;
const help = 'https://github.com/crossfade/crossfade#validate';

export const reporters: Readonly<Record<ReporterName, (report: Report) => string>> = {
  pretty,
  json: (report) => JSON.stringify({ ...report, counts: counted(report.findings) }, undefined, 2),
  junit,
  sarif,
  tap,
  markdown,
  github,
  sentence: (report) => worst(report),
};

export function counted(findings: readonly Finding[]): Record<Verdict, number> {
  const counts = { pass: 0, fail: 0, inconclusive: 0, skipped: 0 };
  for (const { verdict } of findings) counts[verdict]++;
  return counts;
}

/** Worst first; what is well is left out. */
function troubles(findings: readonly Finding[], verdict: Verdict): Finding[] {
  const rank = ({ severity }: Finding): number => worstFirst.indexOf(severity);
  return findings.filter((each) => each.verdict === verdict).sort((a, b) => rank(a) - rank(b));
}

export function sentence({ findings }: Report): string {
  const { pass, fail, inconclusive, skipped } = counted(findings);
  return `${pass} passed, ${fail} failed, ${inconclusive} inconclusive, ${skipped} skipped`;
}

/** For a place where there is one line: how it went, and what is worst. */
function worst(report: Report): string {
  const bad = [...troubles(report.findings, 'fail'), ...troubles(report.findings, 'inconclusive')];
  const told = bad.slice(0, 3).map(({ id, measured }) => `${id} (${plain(measured).slice(0, 60)})`);
  return told.length === 0 ? sentence(report) : `${sentence(report)}: ${told.join(', ')}`;
}

export function findingLine({ verdict, id, severity, measured, threshold, todo }: Finding): string {
  const mark = { pass: 'pass', fail: 'FAIL', inconclusive: '????', skipped: 'skip' }[verdict];
  const line = `${mark}  ${id.padEnd(26)} ${measured}`;
  return verdict === 'fail' ? `${line}\n      ${severity}; wanted: ${threshold}; ${todo}` : line;
}

function pretty(report: Report): string {
  return [...report.findings.map(findingLine), sentence(report)].join('\n');
}

function junit({ target, findings }: Report): string {
  const bySuite = Map.groupBy(findings, ({ suite }) => suite);
  const suites = [...bySuite].map(([suite, of]) => {
    const { fail, inconclusive, skipped } = counted(of);
    const head = `name="${suite}" tests="${of.length}" failures="${fail}" errors="${inconclusive}" skipped="${skipped}"`;
    return `  <testsuite ${head}>\n${of.map(testCase).join('\n')}\n  </testsuite>`;
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${xml(target)}">\n${suites.join('\n')}\n</testsuites>`;
}

function testCase({ id, suite, severity, verdict, measured, threshold, todo, tookMs }: Finding): string {
  const text = xml(`${measured}; wanted: ${threshold}`);
  const inside = {
    pass: '',
    fail: `<failure message="${text}" type="${severity}">${xml(todo)}</failure>`,
    inconclusive: `<error message="${text}" type="inconclusive"/>`,
    skipped: `<skipped message="${xml(measured)}"/>`,
  }[verdict];
  const head = `classname="${suite}" name="${id}" time="${(tookMs / 1000).toFixed(3)}"`;
  return `    <testcase ${head}>${inside}</testcase>`;
}

function sarif({ target, findings }: Report): string {
  const level = { critical: 'error', high: 'error', medium: 'warning', low: 'note' } as const;
  const rules = findings.map(({ id, what, threshold, todo }) => ({
    ...{ id, shortDescription: { text: what }, fullDescription: { text: `${what}; wanted: ${threshold}` } },
    ...{ help: { text: todo }, helpUri: help },
  }));
  const results = troubles(findings, 'fail').map((each) => ({
    ruleId: each.id,
    level: level[each.severity],
    message: { text: `${target}: ${each.what}: ${each.measured}; wanted: ${each.threshold}` },
    // GitHub wants a file of the repository, and knows by the print that it is the same finding.
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: `validate/${each.id}` },
          region: { startLine: 1 },
        },
      },
    ],
    partialFingerprints: { primaryLocationLineHash: `${hash('sha256', each.id).slice(0, 16)}:1` },
  }));
  const driver = { name: 'crossfade validate', informationUri: help, rules };
  const log = {
    version: '2.1.0',
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    runs: [{ tool: { driver }, results }],
  };
  return JSON.stringify(log, undefined, 2);
}

function tap({ findings }: Report): string {
  const lines = findings.map(({ id, verdict, measured, threshold }, index) => {
    const name = `${index + 1} - ${id}`;
    if (verdict === 'pass') return `ok ${name}`;
    if (verdict === 'skipped') return `ok ${name} # SKIP ${plain(measured)}`;
    const note = `  ---\n  verdict: ${verdict}\n  measured: ${JSON.stringify(measured)}\n  threshold: ${JSON.stringify(threshold)}\n  ...`;
    return `not ok ${name}\n${note}`;
  });
  return ['TAP version 14', `1..${findings.length}`, ...lines].join('\n');
}

function markdown(report: Report): string {
  const bad = [...troubles(report.findings, 'fail'), ...troubles(report.findings, 'inconclusive')];
  const cell = (text: string): string => plain(text).replaceAll('|', '\\|');
  const rows = bad.map(
    ({ id, severity, verdict, measured, threshold, todo }) =>
      `| ${id} | ${verdict} | ${severity} | ${cell(measured)} | ${cell(threshold)} | ${cell(todo)} |`,
  );
  const head = [
    '| check | verdict | severity | measured | wanted | what to do |',
    '|---|---|---|---|---|---|',
  ];
  const skipped = troubles(report.findings, 'skipped').map(
    ({ id, measured }) => `- ${id}: ${plain(measured)}`,
  );
  return [
    `### ${report.target}: ${sentence(report)}`,
    ...(rows.length > 0 ? ['', ...head, ...rows] : []),
    ...(skipped.length > 0 ? ['', 'Skipped:', '', ...skipped] : []),
  ].join('\n');
}

function github(report: Report): string {
  const annotation = (kind: 'error' | 'warning', { id, measured, threshold, todo }: Finding): string =>
    `::${kind} title=${escaped(id, true)}::${escaped(`${measured}; wanted: ${threshold}; ${todo}`, false)}`;
  return [
    ...troubles(report.findings, 'fail')
      .slice(0, shownOnGithub)
      .map((each) => annotation('error', each)),
    ...troubles(report.findings, 'inconclusive')
      .slice(0, shownOnGithub)
      .map((each) => annotation('warning', each)),
    sentence(report),
  ].join('\n');
}

function escaped(text: string, isProperty: boolean): string {
  const data = text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
  return isProperty ? data.replaceAll(':', '%3A').replaceAll(',', '%2C') : data;
}

function plain(text: string): string {
  return text.replace(/\s+/g, ' ').trim();
}

function xml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
  };
  // XML knows no control characters.
  return plain(text.replace(/[^\P{Cc}\n\t]/gu, '')).replace(/[&<>"]/g, (sign) => entities[sign]!);
}
