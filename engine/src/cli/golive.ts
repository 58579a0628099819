// `crossfade golive [way] [percent]`: preflight → signatures → deploy → validate → bake → report. The
// rollout itself is the controller's and goes on without this process; run again, it takes up where that is.
// A validation that fails at 100 % goes back; so does whatever the guards find. Refused without signatures;
// a person's reason (--break-glass) passes and is recorded.
import type { ControlClient } from '../api/client.ts';
import type { StatusView } from '../api/control.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import type { CheckedLine } from '../rollout/signoff.ts';
import { watchBake } from './bake-watch.ts';
import { controlClient, isLocal, project, type Project } from './connection.ts';
import { deployRequestOf, type DeployOptions } from './deploy.ts';
import { follow } from './follow.ts';
import { GoLiveRecord, reportOf } from './golive-record.ts';
import { lastLooked, looked } from './preflight.ts';
import { print, printJson, say, verdictWord } from './render.ts';
import { validate } from './validate.ts';

const interrupted = 130;

export type GoLiveOptions = DeployOptions & {
  /** Lines of the preflight that are not looked at. */
  readonly skip?: string;
  /** Where to validate a service of another machine. */
  readonly at?: string;
};

export async function golive(
  way: string | undefined,
  percent: string | undefined,
  options: GoLiveOptions,
): Promise<ExitCode> {
  const found = project(options);
  const client = controlClient(options);
  const status = await client.status();
  const running = await underWay(client, status);
  if (running !== undefined) {
    say(`going on with the go-live, rollout ${running}: ${status.sentence}`);
    return goOn(found, client, running, status.position, options);
  }
  const request = await deployRequestOf(way ?? 'canary', percent, options);
  const checks = await linesOf(found, options);
  const missing = await signed(client, checks, options);
  if (options.dryRun) return dry(client, request, missing, options);
  const answer = await client.verb('deploy', { ...request, goLive: { checks } });
  if (!options.json) for (const step of answer.steps) say(`· ${step}`);
  return goOn(found, client, answer.rollout!, answer.position, options);
}

/** The number of a go-live that has begun and is not over, or whose report was not written yet. */
async function underWay(client: ControlClient, { rollout }: StatusView): Promise<number | undefined> {
  const { goLive } = await client.readiness();
  if (!goLive || goLive.rollout !== rollout?.number) return undefined;
  return isOver(rollout.phase) ? undefined : goLive.rollout;
}

function isOver(phase: string): boolean {
  return ['completed', 'superseded', 'rolled-back', 'failed'].includes(phase);
}

/** What was found within the hour for this very commit, or what is found now. */
async function linesOf(found: Project, options: GoLiveOptions): Promise<readonly CheckedLine[]> {
  const last = lastLooked(found);
  if (!last?.isFresh || options.skip !== undefined) return looked(found, options, options.json !== true);
  const minutes = Math.round((Date.now() - last.at) / 60_000);
  say(`preflight: as found ${minutes} min ago for this commit`);
  for (const { line, verdict, text } of last.lines)
    if (verdict !== 'pass' && !options.json) print(`${verdictWord(verdict)} ${line.padEnd(18)} ${text}`);
  return last.lines;
}

/** Lines that are not signed; refuses here what the controller would refuse, before anything is uploaded. */
async function signed(
  client: ControlClient,
  checks: readonly CheckedLine[],
  { breakGlass, dryRun }: GoLiveOptions,
): Promise<readonly string[]> {
  const failed = checks.filter(({ verdict }) => verdict === 'fail').map(({ line }) => line);
  const { missing } = await client.readiness();
  const open = [...failed.map((line) => `${line} fails`), ...missing.map((line) => `${line} is not signed`)];
  if (open.length === 0 || breakGlass !== undefined || dryRun) return open;
  const hint = '`crossfade preflight`, `crossfade signoff LINE --by "NAME"`, or --break-glass "why"';
  throw new CrossfadeError('needs-approval', `no go-live yet: ${open.join(', ')}`, hint);
}

async function dry(
  client: ControlClient,
  request: object,
  open: readonly string[],
  options: GoLiveOptions,
): Promise<ExitCode> {
  const { steps } = await client.verb('deploy', { ...request, dryRun: true });
  const all = [...steps, 'validate it at 100 %, and go back where something fails', 'bake, then report'];
  if (options.json) printJson({ isDryRun: true, steps: all, open });
  else print(['would do, in this order:', ...all.map((each, index) => `${index + 1}. ${each}`)].join('\n'));
  for (const each of open) say(`not yet: ${each}`);
  return open.length === 0 ? 0 : 5;
}

/** From wherever it is to its end; whatever needs a person ends the command, never the rollout. */
async function goOn(
  found: Project,
  client: ControlClient,
  rollout: number,
  position: number,
  options: GoLiveOptions,
): Promise<ExitCode> {
  const record = new GoLiveRecord(found.stateFolder, rollout);
  const code = await follow(client, 'deploy', position, options.json === true);
  if (code === interrupted) return code;
  const { rollout: seen } = await client.status();
  if (seen?.number !== rollout || seen.phase.startsWith('paused') || seen.phase === 'stuck') {
    say('then `crossfade golive` again: it goes on from there');
    return code === 0 ? 5 : code;
  }
  if (seen.phase === 'baking' || seen.phase === 'completed') {
    const isGood = await validated(record, seen.release, options);
    if (!isGood && seen.phase === 'baking')
      await client.verb('rollback', { reason: 'the validation after the go-live failed', to: 'previous' });
    else if (options.wait === false) {
      say('the bake goes on by itself; `crossfade golive` again watches it and reports');
      return 0;
    } else if (await watchBake(client, rollout)) return 130;
  }
  return concluded(client, record, rollout, options);
}

/** Once for each go-live; what could not be told is in the report and goes on. */
async function validated(record: GoLiveRecord, release: string, options: GoLiveOptions): Promise<boolean> {
  const known = record.validation;
  if (known) return known.code !== 1;
  if (!isLocal(options) && options.at === undefined) {
    record.validated(4, 'not validated: --at names the address of the app on another machine');
    return true;
  }
  const wanted = { ...options, release, reporter: options.json ? 'sentence' : 'pretty' };
  const code = await validate(options.at, wanted);
  record.validated(
    code,
    ['passed', 'FAILED', '', '', 'could not be told whole'][code] ?? `ended with ${code}`,
  );
  return code !== 1;
}

async function concluded(
  client: ControlClient,
  record: GoLiveRecord,
  rollout: number,
  options: GoLiveOptions,
): Promise<ExitCode> {
  // A rollback that was just asked for is waited for: the report tells how it ended.
  for (;;) {
    const { rollout: seen } = await client.status();
    if (seen?.number !== rollout || isOver(seen.phase) || seen.phase === 'stuck') break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const report = await reportOf(client, record);
  const path = record.write(report.text);
  if (options.json) printJson({ isGood: report.isGood, report: path, text: report.text });
  else print(report.text);
  say(`the report is in ${path}`);
  say(report.isGood ? 'next: `crossfade cleanup`' : 'next: `crossfade logs`, mend it, and sign again');
  return report.isGood ? 0 : 1;
}
