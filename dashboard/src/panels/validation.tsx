// Validation runs: what `crossfade validate` found, run by run, with what to do about whatever failed.
import type { ValidationRun } from '../../../engine/src/api/records.ts';
import { now, useRead } from '../live.ts';
import { Loaded, State, Table } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { moment } from '../words.ts';

function Validation() {
  const read = useRead<{ runs: readonly ValidationRun[] }>('/v1/validations');
  return (
    <div id="validations" class="stack">
      <Loaded read={read}>
        {({ runs }) => (
          <>
            {runs.length === 0 && (
              <p class="quiet">
                None was told yet. <code>crossfade validate</code> looks at the app and tells what it found.
              </p>
            )}
            {runs.map((run, index) => (
              <Run key={run.id} run={run} isNewest={index === 0} />
            ))}
          </>
        )}
      </Loaded>
    </div>
  );
}

function Run({ run, isNewest }: { run: ValidationRun; isNewest: boolean }) {
  const { id, at, actor, target, release, verdict, findings } = run;
  const count = (wanted: string): number => findings.filter((each) => each.verdict === wanted).length;
  const parts = [
    `${count('pass')} passed`,
    `${count('fail')} failed`,
    `${count('inconclusive')} inconclusive`,
    `${count('skipped')} skipped`,
  ];
  return (
    <details class="sheet" open={isNewest}>
      <summary>
        <State state={verdict} /> run {id}, {moment(at, now.value)}
      </summary>
      <p class="small">
        {target}
        {release === undefined ? '' : ` (${release})`} by {actor}: {parts.join(', ')}
      </p>
      <Table
        caption={`Findings of run ${id}`}
        rows={findings}
        keyOf={(each) => each.id}
        columns={[
          { name: 'Check', isText: true, cell: (each) => each.id },
          { name: 'Verdict', cell: (each) => <State state={each.verdict} /> },
          { name: 'Measured', isText: true, cell: ({ measured }) => measured },
          { name: 'To do', isText: true, cell: (each) => (each.verdict === 'fail' ? each.todo : '–') },
        ]}
      />
    </details>
  );
}

export const panel: Panel = { id: 'validation', title: 'Validation', order: 70, View: Validation };
