// `crossfade signoff [line]`: who agrees to the next go-live. Technical lines are what `crossfade preflight`
// found last; business lines are signed by a person by name. Without a line it shows where both stand.
import type { ReadinessView } from '../api/readiness.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { signoffLines } from '../rollout/signoff.ts';
import { controlClient, project, type GlobalOptions } from './connection.ts';
import { lastLooked, type PreflightRecord } from './preflight.ts';
import { span } from './preflight-running.ts';
import { print, printJson, say, verdictWord } from './render.ts';
import { runVerb, type VerbOptions } from './verb.ts';

export type SignoffOptions = VerbOptions & { readonly by?: string; readonly withdraw?: boolean };

const meanings: Record<(typeof signoffLines)[number], string> = {
  stakeholder: 'who answers for the service agrees',
  communication: 'those concerned know what happens and when',
  risk: 'what may go wrong is known and accepted',
  criteria: 'what counts as success, and as a reason to go back, is agreed',
  schedule: 'the time suits the business, and people are there',
};

export async function signoff(
  line: string | undefined,
  text: string | undefined,
  options: SignoffOptions,
): Promise<ExitCode> {
  if (line === undefined) return show(options);
  const known = signoffLines.find((each) => each === line);
  if (!known)
    throw new CrossfadeError('usage', `there is no line "${line}"`, `there are ${signoffLines.join(', ')}`);
  const { by, withdraw } = options;
  if (!by && !withdraw) {
    const hint = `\`crossfade signoff ${line} --by "NAME"\`, or --withdraw`;
    throw new CrossfadeError('usage', 'a line is signed by a person, by name', hint);
  }
  const person = withdraw ? {} : { person: by };
  return runVerb('signoff', { line: known, ...person, text: text ?? '' }, options, false);
}

/** 0 all is there, 1 a technical line fails, 5 a business line is not signed. */
async function show(options: GlobalOptions): Promise<ExitCode> {
  const readiness = await controlClient(options).readiness();
  const last = lastLooked(project(options));
  const failed = last?.lines.filter(({ verdict }) => verdict === 'fail') ?? [];
  if (options.json) printJson({ technical: last ?? null, business: businessOf(readiness) });
  else {
    for (const each of technicalLines(last)) print(each);
    for (const each of businessLines(readiness)) print(each);
    const next = failed.length > 0 ? '`crossfade preflight`' : '`crossfade signoff LINE --by "NAME"`';
    say(failed.length + readiness.missing.length === 0 ? 'next: `crossfade golive`' : `next: ${next}`);
  }
  if (failed.length > 0) return 1;
  return readiness.missing.length > 0 ? 5 : 0;
}

function technicalLines(last: (PreflightRecord & { isFresh: boolean }) | undefined): string[] {
  if (!last) return [`${verdictWord('unknown')} technical          \`crossfade preflight\` was not run`];
  const age = `looked at ${span(Date.now() - last.at)} ago`;
  return [
    ...last.lines.map(({ line, verdict, text }) => `${verdictWord(verdict)} ${line.padEnd(18)} ${text}`),
    `        ${age}${last.isFresh ? '' : ': a go-live looks again'}`,
  ];
}

function businessOf({ signoffs, missing }: ReadinessView) {
  return { signed: signoffs, missing };
}

function businessLines({ signoffs }: ReadinessView): string[] {
  return signoffLines.map((line) => {
    const found = signoffs.find((each) => each.line === line);
    if (!found) return `${verdictWord('unknown')} ${line.padEnd(18)} not signed: ${meanings[line]}`;
    const day = new Date(found.at).toISOString().slice(0, 10);
    return `${verdictWord('pass')} ${line.padEnd(18)} ${found.person}, ${day}${found.text && `: ${found.text}`}`;
  });
}
