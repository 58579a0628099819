// Messages to people: which channels there are, how many went, wait, were held back or given up, and each
// one.
import type { DeliveryView, NotifyView } from '../../../engine/src/api/notify.ts';
import { now, useRead } from '../live.ts';
import { Loaded, Sheet, State, Table } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { moment } from '../words.ts';

function Messages() {
  const channels = useRead<NotifyView>('/v1/notify');
  const log = useRead<{ deliveries: readonly DeliveryView[] }>('/v1/notify/log?limit=100');
  const at = now.value;
  return (
    <div class="stack">
      <Sheet title="Channels">
        <Loaded read={channels}>
          {(view) => (
            <Table
              caption="Channels, counts of thirty days"
              rows={view.channels}
              keyOf={({ name }) => name}
              empty="There is none: `notify.channels` of crossfade.yaml."
              columns={[
                {
                  name: 'Channel',
                  cell: ({ name, kind, disabled }) => (
                    <>
                      <b>{name}</b> ({kind}){' '}
                      {disabled !== undefined && <State state="fail" text={disabled} />}
                    </>
                  ),
                },
                { name: 'Sent', cell: ({ counts }) => counts.sent, isNumber: true },
                { name: 'Waiting', cell: ({ counts }) => counts.waiting, isNumber: true },
                { name: 'Held back', cell: ({ counts }) => counts.suppressed, isNumber: true },
                { name: 'Given up', cell: ({ counts }) => counts.failed, isNumber: true },
              ]}
            />
          )}
        </Loaded>
        {channels.value?.silences.map(({ id, author, reason, until }) => (
          <p key={id} class="small">
            Silence {id} until {moment(until, at)} by {author}: {reason}
          </p>
        ))}
      </Sheet>
      <Sheet title="The last hundred">
        <Loaded read={log}>
          {({ deliveries }) => (
            <Table
              caption="Messages, newest first"
              rows={deliveries}
              keyOf={({ id }) => id}
              empty="None was sent yet."
              columns={[
                { name: 'When', cell: (each) => moment(each.at, at) },
                { name: 'What', isText: true, cell: ({ severity, title }) => `${severity} ${title}` },
                { name: 'Channel', cell: ({ channel }) => channel },
                {
                  name: 'State',
                  isText: true,
                  cell: ({ state, reason }) => (
                    <>
                      <State state={state} /> {reason}
                    </>
                  ),
                },
                { name: 'Attempts', cell: ({ attempts }) => attempts, isNumber: true },
              ]}
            />
          )}
        </Loaded>
      </Sheet>
    </div>
  );
}

export const panel: Panel = { id: 'messages', title: 'Messages', order: 55, View: Messages };
