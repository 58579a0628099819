// Now: what the service does, in one sentence, and the one act that matters at this moment; below it whatever
// waits for a person.
import type { AlertView } from '../../../engine/src/api/alerts.ts';
import type { IncidentsView } from '../../../engine/src/api/incidents.ts';
import { ActButton, reasonField, type Act } from '../act.tsx';
import { Environments, Split } from '../environments.tsx';
import { now, status, useRead } from '../live.ts';
import { Sheet, Why } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { possibleVerbs, verbAct } from '../verbs.ts';
import { isUnfinished, moment } from '../words.ts';

const shownIncidents = 5;

function Now() {
  const { sentence, environments, overrides, alerts = [], warnings, freezes = [], lock } = status.value!;
  return (
    <div class="stack">
      <p id="sentence" role="status">
        {sentence}
      </p>
      <Split environments={environments} />
      <div class="verbs">
        <BigButton />
        <ActButton act={freezeAct} text="Freeze…" />
      </div>
      {overrides.map(({ id, kind, environment, reason }) => (
        <Why key={id} isBad>
          <b>Override in force ({kind}): </b>all traffic to {environment}. {reason}
        </Why>
      ))}
      {freezes.map(({ id, reason, actor, until }) => (
        <Why key={id}>
          <p>
            <b>Frozen until {moment(until, now.value)}</b> by {actor}: {reason}
          </p>
          <ActButton act={unfreezeAct(id)} text="Unfreeze…" label={`Unfreeze… ${id}`} />
        </Why>
      ))}
      {lock && (
        <Why>
          <b>Locked until {moment(lock.until, now.value)}</b> by {lock.holder}: {lock.reason}
        </Why>
      )}
      {warnings.map((text) => (
        <Why key={text}>{text}</Why>
      ))}
      {alerts.length > 0 && (
        <section id="alerts" aria-label="Alerts">
          {alerts.map((each) => (
            <Alert key={each.id} alert={each} />
          ))}
        </section>
      )}
      <Environments environments={environments} />
      <Incidents />
    </div>
  );
}

const hourMs = 3_600_000;

const freezeAct: Act = {
  title: 'Freeze releases?',
  confirm: 'Freeze',
  path: '/v1/freeze',
  needs: 'freeze',
  fields: [
    {
      name: 'forMs',
      label: 'For',
      kind: 'choice',
      first: String(hourMs),
      choices: [1, 4, 24, 72].map((hours) => ({ value: String(hours * hourMs), text: `${hours} h` })),
    },
    { ...reasonField, isNeeded: true, placeholder: 'nothing goes forward; going back stays allowed' },
  ],
  bodyOf: ({ forMs, reason }) => ({ forMs: Number(forMs), reason: String(reason).trim() }),
};

function unfreezeAct(id: string): Act {
  return {
    title: `End the freeze ${id}?`,
    confirm: 'Unfreeze',
    path: '/v1/unfreeze',
    needs: 'unfreeze',
    body: { id },
  };
}

/** Out of a rollout that is under way; else back to what was there before. */
function BigButton() {
  const view = status.value!;
  const { rollout } = view;
  const verb = rollout && isUnfinished(rollout.phase) ? 'abort' : 'rollback';
  const isPossible = possibleVerbs(view).includes(verb);
  const act = { ...verbAct(verb, view), isDanger: true };
  const text = verb === 'abort' ? `Abort the rollout of ${rollout!.release}…` : 'Roll back…';
  return <ActButton act={act} text={text} verb={verb} isBig isOff={!isPossible} />;
}

function Alert({ alert }: { alert: AlertView }) {
  const { id, severity, row, text, acknowledged, isLate, acknowledgeBy, otherwise, acts } = alert;
  const at = now.value;
  const stand = acknowledged
    ? `${acknowledged.actor} has it.`
    : isLate
      ? 'Nobody came in time.'
      : `Acknowledge until ${moment(acknowledgeBy, at)}, else: ${otherwise}.`;
  const ack = {
    title: `Acknowledge alert ${id}?`,
    confirm: 'Acknowledge',
    path: '/v1/ack',
    needs: 'ack',
    body: { alert: id },
    fields: [reasonField],
  } as const;
  return (
    <Why isBad={severity === 'SEV1' || severity === 'SEV2'}>
      <p>
        <b>
          {severity} {row}:{' '}
        </b>
        {text}
      </p>
      <p class="small">
        {stand}
        {acts.map((each) => ` ${moment(each.at, at)} ${each.text}.`).join('')}
      </p>
      {!acknowledged && <ActButton act={ack} text="Acknowledge" label={`Acknowledge ${id}`} />}
    </Why>
  );
}

function Incidents() {
  const { value } = useRead<IncidentsView>('/v1/incidents');
  const open = (value?.incidents ?? [])
    .filter((each) => each.resolvedAt === undefined)
    .slice(0, shownIncidents);
  return (
    <Sheet title="Open incidents" id="incidents">
      {value && open.length === 0 && <p class="quiet small">There is none.</p>}
      {open.map(({ id, severity, status: stand, title, openedAt }) => (
        <p key={id} class="record">
          <span>
            <b>
              {id} {severity} {stand}:{' '}
            </b>
            {title}, {moment(openedAt, now.value)}
          </span>
          <a href={`#/status/${id}`}>To {id}</a>
        </p>
      ))}
    </Sheet>
  );
}

export const panel: Panel = { id: 'now', title: 'Now', order: 10, View: Now };
