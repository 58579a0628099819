// The rollout: its steps, why it does what it does, each guard with what it was judged on, the sessions of
// both sides, and the events as they happen.
import type { EventLine, GuardView, RolloutView } from '../../../engine/src/api/control.ts';
import { ActButton } from '../act.tsx';
import { Environments } from '../environments.tsx';
import { feed, now, status } from '../live.ts';
import { Criteria, Facts, Sheet, State, Table, Why } from '../parts.tsx';
import type { Panel } from '../panel.ts';
import { possibleVerbs, verbAct, verbTexts } from '../verbs.ts';
import { clockTime, icons, length, number, percent, phaseKind, phaseText } from '../words.ts';

const shownMoves = 5;
/** What the machine notes for itself, and nobody follows. */
const quietKinds = ['table-confirmed', 'timer-fired', 'notice-queued', 'digest-made'];

function Rollout() {
  const { rollout, environments } = status.value!;
  return (
    <div class="columns">
      <div class="stack">
        <Verbs />
        {rollout ? <Course rollout={rollout} /> : <p class="quiet">There has been no rollout yet.</p>}
        {rollout && <Guards rollout={rollout} />}
        <Sessions />
        <Environments environments={environments} />
      </div>
      <Feed />
    </div>
  );
}

function Verbs() {
  const view = status.value!;
  const verbs = possibleVerbs(view);
  return (
    <div class="verbs" role="group" aria-label="Verbs">
      {verbs.map((verb) => (
        <ActButton
          key={verb}
          act={verbAct(verb, view)}
          text={`${verbTexts[verb]}…`}
          verb={verb}
          isMain={verb === 'promote'}
        />
      ))}
    </div>
  );
}

function Course({ rollout }: { rollout: RolloutView }) {
  const {
    number: count,
    kind,
    release,
    from,
    phase,
    text,
    until,
    rollback,
    hooks = [],
    approvals = [],
  } = rollout;
  const isBad = ['stuck', 'failed', 'rolling-back'].includes(phaseKind(phase));
  const isPaused = phaseKind(phase) === 'paused';
  // The countdown says what is left, four times a second.
  const plain = until === undefined ? text : text.replace(/, \d+ (s|min) left/, '');
  return (
    <Sheet title="Course" id="rollout">
      <p>
        <b>
          Rollout {count} ({kind}): {from === undefined ? '' : `${from} → `}
          {release}
        </b>{' '}
        is {phaseText(phase)}
      </p>
      <Steps rollout={rollout} />
      {isPaused || isBad ? (
        <Why isBad={isBad}>
          {isPaused && <b>Why it is {phaseText(phase)}: </b>}
          {plain}
        </Why>
      ) : (
        <p>{plain}</p>
      )}
      {until !== undefined && (
        <p>{until > now.value ? `${length(until - now.value)} left` : 'the time is over, deciding'}</p>
      )}
      {approvals.map((each) => (
        <p key={each.step} class="small">
          {each.actor} approved step {each.step + 1} at {clockTime(each.at)}: {each.reason}
        </p>
      ))}
      {hooks.map((each) => (
        <p key={each.hook} class="small">
          <State state={each.isOk ? 'pass' : 'fail'} text={`hook ${each.hook}`} /> in{' '}
          {length(each.tookMs, true)}: {each.text}
        </p>
      ))}
      {rollback && <Rollback rollback={rollback} />}
    </Sheet>
  );
}

function Steps({ rollout: { steps, step, phase } }: { rollout: RolloutView }) {
  if (steps.length === 0) return null;
  const isOver = ['baking', 'completed', 'superseded'].includes(phase);
  return (
    <ol class="steps" aria-label="Steps">
      {steps.map(({ weightPercent, holdMs }, index) => {
        const isDone = isOver || (step !== undefined && index < step);
        const isPresent = !isOver && index === step;
        const hold =
          holdMs === undefined ? 'until promoted' : holdMs === 0 ? 'no hold' : `hold ${length(holdMs)}`;
        return (
          <li key={index} class={isDone ? 'done' : ''} aria-current={isPresent ? 'step' : undefined}>
            {isDone ? '✓ ' : isPresent ? '▶ ' : ''}
            {weightPercent} %<small>{hold}</small>
          </li>
        );
      })}
    </ol>
  );
}

function Rollback({ rollback }: { rollback: NonNullable<RolloutView['rollback']> }) {
  const {
    trigger,
    reason,
    actor,
    stopwatch,
    leftConnections,
    sessions,
    criteria = [],
    restoration,
  } = rollback;
  const parts = [
    ['Weights', stopwatch.weightsMs],
    ['Verified', stopwatch.verifiedMs],
    ['Sessions', stopwatch.sessionsMs],
    ['Drained', stopwatch.drainedMs],
  ] as const;
  return (
    <div>
      <h3>Rollback stopwatch</h3>
      <p class="small">
        {trigger} by {actor}: {reason || 'no reason given'}
        {leftConnections > 0 && `; ${leftConnections} connections left`}
      </p>
      <div class="stopwatch">
        {parts.map(([name, ms]) => (
          <div key={name}>
            {name}
            <b>{ms === undefined ? '…' : length(ms, true)}</b>
          </div>
        ))}
      </div>
      {sessions && (
        <p class="small">
          Sessions: {sessions.moved} moved, {sessions.failed} failed, {sessions.pending} on their way
        </p>
      )}
      <Criteria criteria={criteria} />
      {restoration && restoration.cannotRestore.length > 0 && (
        <Why>
          <b>Not brought back: </b>
          {restoration.cannotRestore.join('; ')}
        </Why>
      )}
    </div>
  );
}

function Guards({ rollout: { verdict, guards } }: { rollout: RolloutView }) {
  const measured = guards.filter(
    ({ counts }) => counts !== undefined && counts.candidate + counts.stable > 0,
  );
  return (
    <Sheet title="Guards">
      <p class="small">{verdict}</p>
      <div class="tiles">
        {guards.map((each) => (
          <Tile key={each.guard} guard={each} />
        ))}
      </div>
      {guards.length === 0 && <p class="quiet small">No guard is judging now.</p>}
      {measured.length > 0 && (
        <details>
          <summary>Raw numbers</summary>
          <Table
            caption="What each guard counted"
            rows={measured}
            keyOf={({ guard }) => guard}
            columns={[
              { name: 'Guard', cell: ({ guard }) => guard },
              { name: 'Candidate', cell: ({ counts }) => number(counts!.candidate), isNumber: true },
              { name: 'Failed there', cell: ({ counts }) => number(counts!.failed), isNumber: true },
              { name: 'Stable', cell: ({ counts }) => number(counts!.stable), isNumber: true },
              { name: 'State', cell: ({ state }) => <State state={state} /> },
            ]}
          />
        </details>
      )}
    </Sheet>
  );
}

function Tile({ guard: { guard, state, text, shares, limit, counts, needUnits } }: { guard: GuardView }) {
  return (
    <div class={`tile ${state}`}>
      <p>
        <span aria-hidden="true">{icons[state] ?? '·'} </span>
        {guard} <b>{state}</b>
      </p>
      {shares && (
        <Facts
          facts={[
            ['Candidate', percent(shares.candidate)],
            ...(shares.stable === undefined ? [] : [['Stable', percent(shares.stable)] as const]),
            ...(limit === undefined ? [] : [['Limit', percent(limit)] as const]),
            ...(counts ? [['Seen', number(counts.candidate)] as const] : []),
            ...(needUnits === undefined ? [] : [['Still needs', `${number(needUnits)} users`] as const]),
          ]}
        />
      )}
      <p class="small">{text}</p>
    </div>
  );
}

/** Who talks where, and who was moved. */
function Sessions() {
  const rows = status.value!.environments.flatMap(({ environment, release, routeSessions = {} }) =>
    Object.entries(routeSessions).map(([route, count]) => ({ environment, release, route, count })),
  );
  const moves = feed.value.filter(({ kind }) => kind === 'sessions-handed-over').slice(0, shownMoves);
  return (
    <Sheet title="Live sessions" id="sessions">
      <Table
        caption="Live voice sessions by environment and route"
        rows={rows}
        keyOf={({ environment, route }) => `${environment} ${route}`}
        empty="Nobody is talking over the session channel now."
        columns={[
          { name: 'Environment', cell: ({ environment, release }) => `${environment} ${release ?? ''}` },
          { name: 'Route', cell: ({ route }) => (route === 'none' ? 'not said yet' : route) },
          { name: 'Sessions', cell: ({ count }) => count, isNumber: true },
        ]}
      />
      {moves.map(({ position, at, text }) => (
        <p key={position} class="small">
          Handed over at {clockTime(at)}: {text}
        </p>
      ))}
    </Sheet>
  );
}

function Feed() {
  const lines = told(feed.value);
  return (
    <Sheet title="Events">
      <ol id="feed" tabIndex={0} aria-label="Events, newest first">
        {lines.map(({ position, at, kind, text }, index) => (
          <li key={position ?? `${at}-${index}`}>
            <time dateTime={new Date(at).toISOString()}>{clockTime(at)}</time>
            <span>
              {kind !== 'activity' && <b>{kind.replaceAll('-', ' ')} </b>}
              {text}
            </span>
          </li>
        ))}
      </ol>
    </Sheet>
  );
}

/** A verdict that goes on is told once, with the numbers that it began with. */
function told(lines: readonly EventLine[]): readonly EventLine[] {
  const verdictOf = ({ text }: EventLine): string => text.split(':')[0]!;
  const judged = lines.filter(({ kind }) => kind === 'guards-judged');
  const isSame = (line: EventLine): boolean => {
    const older = judged[judged.indexOf(line) + 1];
    return older !== undefined && verdictOf(older) === verdictOf(line);
  };
  return lines.filter(
    (line) => !quietKinds.includes(line.kind) && !(line.kind === 'guards-judged' && isSame(line)),
  );
}

export const panel: Panel = { id: 'rollout', title: 'Rollout', order: 20, View: Rollout };
