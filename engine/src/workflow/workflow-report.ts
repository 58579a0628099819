// How a run of the workflow ended, in one sentence and a table, from GitHub's `needs` context.
import { z } from 'zod';
import { CrossfadeError } from '../errors.ts';

const needsShape = z.record(
  z.string(),
  z.object({
    result: z.enum(['success', 'failure', 'cancelled', 'skipped']),
    outputs: z.record(z.string(), z.string()).default({}),
  }),
);
type Needs = z.infer<typeof needsShape>;

export type WorkflowReport = { readonly sentence: string; readonly isGood: boolean; readonly table: string };

/** `text` is the `needs` context as JSON. */
export function workflowReport(text: string): WorkflowReport {
  const needs = read(text);
  const results = Object.entries(needs).map(([name, { result }]) => `| ${name} | ${result} |`);
  const table = ['| job | result |', '|---|---|', ...results].join('\n');
  return { ...outcome(needs), table };
}

function outcome(needs: Needs): { readonly sentence: string; readonly isGood: boolean } {
  const resultOf = (job: string): string => needs[job]?.result ?? 'skipped';
  const { action = 'deploy', way = '', flags = '' } = needs['plan']?.outputs ?? {};
  const dry = flags === '' ? '' : ' (dry run)';
  const failed = Object.keys(needs).filter((name) => ['failure', 'cancelled'].includes(resultOf(name)));
  if (resultOf('rollback') === 'failure')
    return { sentence: `the rollback failed${dry}: look at once`, isGood: false };
  if (action === 'rollback') {
    const isDone = resultOf('rollback') === 'success';
    return { sentence: isDone ? `rolled back as asked${dry}` : 'the rollback did not run', isGood: isDone };
  }
  if (resultOf('rollback') === 'success')
    return { sentence: `${way} was rolled back: ${failed.join(', ')} failed`, isGood: false };
  if (needs['production']?.outputs['refused'] === 'true')
    return { sentence: `${way} was refused: nothing moved`, isGood: false };
  if (failed.length > 0)
    return { sentence: `${way} did not go to production: ${failed.join(', ')} failed`, isGood: false };
  return resultOf('production') === 'success'
    ? { sentence: `${way} is in production${dry}`, isGood: true }
    : { sentence: `${way} waits for approval or was skipped`, isGood: true };
}

function read(text: string): Needs {
  try {
    return needsShape.parse(JSON.parse(text));
  } catch (cause) {
    throw new CrossfadeError(
      'usage',
      'NEEDS is not the needs context of a job',
      'NEEDS: ${{ toJSON(needs) }}',
      cause,
    );
  }
}
