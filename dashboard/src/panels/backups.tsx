// Backups as they lie in their store, and which of them has been restored elsewhere as a proof.
import type { BackupsView } from '../../../engine/src/api/records.ts';
import { now, useRead } from '../live.ts';
import { Loaded, Sheet, State, Table, Why } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { length, moment, number } from '../words.ts';

function Backups() {
  const read = useRead<BackupsView>('/v1/backups', 30_000);
  const at = now.value;
  return (
    <Loaded read={read}>
      {({ target, backups, damaged }) => (
        <Sheet title={`In ${target}`} id="backups">
          <Newest view={{ target, backups, damaged }} />
          {damaged.map((id) => (
            <Why key={id} isBad>
              <b>{id}: </b>its manifest is not as it was written
            </Why>
          ))}
          <Table
            caption="Backups, newest first"
            rows={backups}
            keyOf={({ id }) => id}
            empty="There is none yet. `crossfade backup create` makes one."
            columns={[
              { name: 'Backup', isText: true, cell: ({ id }) => <b>{id}</b> },
              { name: 'Made', cell: (each) => moment(each.at, at) },
              {
                name: 'Of',
                isText: true,
                cell: ({ releases, commit }) => [...releases, commit?.slice(0, 12)].join(' '),
              },
              { name: 'Items', cell: ({ items }) => items, isNumber: true },
              { name: 'Size', cell: ({ sizeBytes }) => `${number(sizeBytes / 2 ** 20)} MiB`, isNumber: true },
              {
                name: 'Verified',
                cell: ({ verified }) =>
                  verified ? (
                    <>
                      <State state={verified.verdict} /> {moment(verified.at, at)}
                    </>
                  ) : (
                    <State state="unknown" text="never" />
                  ),
              },
            ]}
          />
        </Sheet>
      )}
    </Loaded>
  );
}

function Newest({ view: { backups } }: { view: BackupsView }) {
  const proven = backups.find(({ verified }) => verified?.verdict === 'pass');
  if (proven)
    return (
      <p>
        The newest that was proven by restoring it is <b>{proven.id}</b>, made{' '}
        {length(Math.max(0, now.value - proven.at))} ago.
      </p>
    );
  return (
    <Why>
      No backup was proven yet: <code>crossfade backup verify</code> restores one elsewhere and looks at it.
    </Why>
  );
}

export const panel: Panel = { id: 'backups', title: 'Backups', order: 80, View: Backups };
