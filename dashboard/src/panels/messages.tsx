// Messages to people: which channels there are, how many went, wait, were held back or given up, and each
// one.
import type { DeliveryView, NotifyView } from '../../../engine/src/api/notify.ts';
import { ActButton, reasonField, type Act } from '../act.tsx';
import { now, useRead } from '../live.ts';
import { Loaded, Sheet, State, Table } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { moment } from '../words.ts';

function Messages() {
  const channels = useRead<NotifyView>('/v1/notify');
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
          <p key={id} class="record">
            Silence {id} until {moment(until, at)} by {author}: {reason}
            <ActButton act={unsilenceAct(id)} text="End…" label={`End… ${id}`} />
          </p>
        ))}
        <div class="verbs">
          <ActButton act={silenceAct} text="Silence…" />
          <ActButton act={testAct} text="Send a test…" />
        </div>
      </Sheet>
      <Log />
    </div>
  );
}

function Log() {
  const log = useRead<{ deliveries: readonly DeliveryView[] }>('/v1/notify/log?limit=100');
  const at = now.value;
  return (
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
              { name: 'Acts', cell: (each) => <Replay of={each} /> },
              { name: 'Attempts', cell: ({ attempts }) => attempts, isNumber: true },
            ]}
          />
        )}
      </Loaded>
    </Sheet>
  );
}

function Replay({ of: { id, notice, state, title, channel } }: { of: DeliveryView }) {
  if (state === 'waiting') return null;
  const replay: Act = {
    title: `Send ${notice}, ${title}, again?`,
    confirm: 'Send again',
    path: '/v1/notify/replay',
    needs: 'notify',
    body: { notice },
  };
  return <ActButton act={replay} text="Send again…" label={`Send again… ${id} ${channel}`} />;
}

const hourMs = 3_600_000;
const lengths = [1, 2, 8, 24].map((hours) => ({ value: String(hours * hourMs), text: `${hours} h` }));
const labels = ['kind', 'severity', 'environment', 'release', 'rollout', 'key', 'alert'];

const silenceAct: Act = {
  title: 'Silence some messages?',
  confirm: 'Silence',
  path: '/v1/notify/silence',
  needs: 'notify',
  fields: [
    {
      name: 'label',
      label: 'Where this',
      kind: 'choice',
      first: 'kind',
      choices: labels.map((value) => ({ value, text: value })),
    },
    { name: 'value', label: 'is', kind: 'line', isNeeded: true, placeholder: 'guard-changed' },
    { name: 'forMs', label: 'For', kind: 'choice', first: String(hourMs), choices: lengths },
    { ...reasonField, isNeeded: true },
  ],
  bodyOf: ({ label, value, forMs, reason }) => ({
    match: { [String(label)]: [String(value).trim()] },
    forMs: Number(forMs),
    reason: String(reason).trim(),
  }),
};

function unsilenceAct(id: string): Act {
  return {
    title: `End silence ${id}?`,
    confirm: 'End',
    path: '/v1/notify/unsilence',
    needs: 'notify',
    body: { id },
  };
}

const testAct: Act = {
  title: 'Send a test message to every channel?',
  confirm: 'Send',
  path: '/v1/notify/test',
  needs: 'notify',
  hasNoDryRun: true,
};

export const panel: Panel = { id: 'messages', title: 'Messages', order: 55, View: Messages };
