// The audit: who did or tried what, when, from where and why, newest first; and whether its chain is whole.
import { useEffect, useState } from 'preact/hooks';
import type { AuditCheck, AuditLine, AuditPage } from '../../../engine/src/api/audit.ts';
import { now, words } from '../live.ts';
import { Sheet, State, Table } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { ask } from '../talk.ts';
import { moment } from '../words.ts';

const hourMs = 3_600_000;
const windows = [
  { hours: 1, text: 'the last hour' },
  { hours: 24, text: 'the last day' },
  { hours: 24 * 7, text: 'the last week' },
  { hours: 24 * 365, text: 'the last year' },
];
/** The page shows no more than this; `crossfade audit export` gives all of it. */
const maxLines = 2_000;

function Audit() {
  const [hours, setHours] = useState(24);
  const [wanted, setWanted] = useState('');
  const [turn, setTurn] = useState(0);
  const [{ lines, trouble }, setPage] = useState<{ lines?: readonly AuditLine[]; trouble?: string }>({});
  useEffect(() => {
    let isOpen = true;
    readAll(now.value - hours * hourMs)
      .then((found) => isOpen && setPage({ lines: found }))
      .catch((error: unknown) => isOpen && setPage({ trouble: words(error) }));
    return () => void (isOpen = false);
  }, [hours, turn]);
  const shown = (lines ?? []).filter((line) => textOf(line).includes(wanted.toLowerCase()));
  return (
    <div class="stack">
      <div class="filters">
        <label>
          Window
          <select value={hours} onChange={({ currentTarget }) => setHours(Number(currentTarget.value))}>
            {windows.map((each) => (
              <option key={each.hours} value={each.hours}>
                {each.text}
              </option>
            ))}
          </select>
        </label>
        <label>
          Only with
          <input
            type="search"
            value={wanted}
            maxLength={100}
            placeholder="a name, an act, a release"
            onInput={({ currentTarget }) => setWanted(currentTarget.value)}
          />
        </label>
        <button type="button" onClick={() => setTurn(turn + 1)}>
          Look again
        </button>
      </div>
      <Chain />
      {trouble !== undefined && <p class="error">{trouble}</p>}
      {lines === undefined && trouble === undefined && <p class="quiet">Reading…</p>}
      {lines && (
        <Sheet title={`${shown.length} lines`} id="audit">
          <Table caption="Audit, newest first" rows={shown} keyOf={({ id }) => id} columns={columns} />
        </Sheet>
      )}
    </div>
  );
}

const columns = [
  { name: 'When', cell: ({ at }: AuditLine) => moment(at, now.value) },
  { name: 'Who', isText: true, cell: ({ actor }: AuditLine) => `${actor.name}@${actor.kind}` },
  {
    name: 'Act',
    isText: true,
    cell: ({ action, target = '', count = 1 }: AuditLine) =>
      `${action} ${target}${count > 1 ? ` (${count} times)` : ''}`,
  },
  { name: 'Outcome', cell: ({ outcome }: AuditLine) => <State state={outcome} /> },
  { name: 'Why', isText: true, cell: ({ reason, code }: AuditLine) => reason ?? code ?? '–' },
  { name: 'From', cell: ({ address, actor }: AuditLine) => address ?? actor.via },
];

function Chain() {
  const [check, setCheck] = useState<AuditCheck | undefined>(undefined);
  const [trouble, setTrouble] = useState('');
  const look = (): void => {
    ask<AuditCheck>('/v1/audit/verify')
      .then(setCheck)
      .catch((error: unknown) => setTrouble(words(error)));
  };
  return (
    <div>
      <button type="button" onClick={look}>
        Verify the records
      </button>
      <p role="status">
        {trouble}
        {check &&
          (['audit', 'journal'] as const).map((name) => {
            const { rows, brokenAt } = check[name];
            const text =
              brokenAt === undefined ? `${name}: ${rows} rows, whole` : `${name}: broken at ${brokenAt}`;
            return <State key={name} state={brokenAt === undefined ? 'pass' : 'fail'} text={`${text}. `} />;
          })}
      </p>
    </div>
  );
}

async function readAll(since: number): Promise<readonly AuditLine[]> {
  const lines: AuditLine[] = [];
  for (let after = 0; lines.length < maxLines; after = lines.at(-1)!.id) {
    const page = await ask<AuditPage>(`/v1/audit?since=${Math.floor(since)}&after=${after}`);
    lines.push(...page.lines);
    if (page.isEnd || page.lines.length === 0) break;
  }
  return lines.reverse();
}

function textOf({ actor, action, target, reason, outcome }: AuditLine): string {
  return [actor.name, actor.kind, action, target, reason, outcome].join(' ').toLowerCase();
}

export const panel: Panel = { id: 'audit', title: 'Audit', order: 90, needs: 'audit', View: Audit };
