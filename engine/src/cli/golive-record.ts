// What a go-live leaves in .crossfade/golive/: whether it was validated, so that it is not done twice when
// the command is run again, and the closing report.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { ControlClient } from '../api/client.ts';
import type { Kpi } from '../api/kpi.ts';
import { load, store } from '../durable-file.ts';
import { nodeHost } from '../host-node.ts';

const validation = z.object({ code: z.number(), text: z.string(), at: z.number() });
const windowDays = 7;

export class GoLiveRecord {
  readonly rollout: number;
  readonly #folder: string;

  constructor(stateFolder: string, rollout: number) {
    this.rollout = rollout;
    this.#folder = join(stateFolder, 'golive');
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
  }

  get validation(): z.infer<typeof validation> | undefined {
    const loaded = load(nodeHost().files, this.#path('json'), validation);
    return loaded.kind === 'whole' ? loaded.value : undefined;
  }

  validated(code: number, text: string): void {
    store(nodeHost().files, this.#path('json'), { code, text, at: Date.now() });
  }

  /** The path of the report. */
  write(report: string): string {
    writeFileSync(this.#path('md'), `${report}\n`, { mode: 0o600 });
    return this.#path('md');
  }

  #path(kind: 'json' | 'md'): string {
    return join(this.#folder, `${this.rollout}.${kind}`);
  }
}

export type GoLiveReport = { readonly isGood: boolean; readonly text: string };

/** Markdown; from the record alone. */
export async function reportOf(client: ControlClient, record: GoLiveRecord): Promise<GoLiveReport> {
  const [{ rollout, at }, { goLive }, { kpis }] = await Promise.all([
    client.status(),
    client.readiness(),
    client.kpis(windowDays),
  ]);
  const isOurs = rollout?.number === record.rollout && goLive?.rollout === record.rollout;
  if (!isOurs) return { isGood: false, text: `# Go-live ${record.rollout}\n\nAnother rollout has followed.` };
  const isGood = rollout.phase === 'completed' || rollout.phase === 'superseded';
  const { validation: looked } = record;
  const time = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
  const text = [
    `# Go-live of ${rollout.release}: ${rollout.phase}`,
    '',
    `Rollout ${rollout.number}, begun by ${goLive.startedBy} at ${time(goLive.startedAt)}, reported at ${time(at)}.`,
    rollout.text,
    ...(goLive.breakGlass === undefined ? [] : [`Begun by break-glass: ${goLive.breakGlass}`]),
    '',
    '## Agreed by',
    ...goLive.signoffs.map((each) => `- ${each.line}: ${each.person}${each.text && `, ${each.text}`}`),
    ...goLive.missing.map((line) => `- ${line}: NOT signed`),
    '',
    '## Checked before',
    ...goLive.checks.map((each) => `- ${each.verdict} ${each.line}: ${each.text}`),
    '',
    '## At 100 %',
    looked ? `Validation ${looked.text} (${time(looked.at)}).` : 'Not validated.',
    ...rollout.guards.map((each) => `- guard ${each.guard}: ${each.state}, ${each.text}`),
    ...(rollout.rollback ? rollbackLines(rollout.rollback) : []),
    '',
    `## Figures of the last ${windowDays} days`,
    ...kpis.map(kpiLine),
  ].join('\n');
  return { isGood, text };
}

function rollbackLines(rollback: {
  readonly reason: string;
  readonly trigger: string;
  readonly stopwatch: Readonly<Record<string, number | undefined>>;
}): string[] {
  const times = Object.entries(rollback.stopwatch).map(([name, ms]) => `${name.replace(/Ms$/, '')} ${ms} ms`);
  return ['', '## Rolled back', `By ${rollback.trigger}: ${rollback.reason}.`, `- ${times.join(', ')}`];
}

function kpiLine({ title, verdict, value, unit, text, target }: Kpi): string {
  const share = unit === 'share' ? 100 : 1;
  const shown =
    value === undefined
      ? 'unknown'
      : `${Number((value * share).toFixed(2))} ${unit === 'share' ? '%' : unit}`;
  return `- ${target ? `${verdict} ` : ''}${title}: ${shown} (${text})`;
}
