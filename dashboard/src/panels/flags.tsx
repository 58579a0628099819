// Flags: what everybody gets, who gets something else, and the acts on each. A kill goes over everything
// else and needs no approval.
import type { FlagView } from '../../../engine/src/api/flags.ts';
import { ActButton, reasonField, type Act } from '../act.tsx';
import { useRead } from '../live.ts';
import { Loaded, State, Table } from '../parts.tsx';
import type { Panel } from '../panel.ts';

function Flags() {
  const read = useRead<{ flags: readonly FlagView[] }>('/v1/flags');
  return (
    <section id="flags" class="sheet" aria-label="Flags">
      <Loaded read={read}>
        {({ flags }) => (
          <Table
            caption="Flags"
            rows={flags}
            keyOf={({ name }) => name}
            empty="There is no flag. `flags` of crossfade.yaml brings one."
            columns={[
              { name: 'Flag', isText: true, cell: (flag) => <Name flag={flag} /> },
              { name: 'Value', isText: true, cell: (flag) => <Value flag={flag} /> },
              {
                name: 'From',
                cell: ({ release, isEdited }) => `${release}${isEdited ? ', changed since' : ''}`,
              },
              { name: 'Acts', cell: (flag) => <Acts flag={flag} /> },
            ]}
          />
        )}
      </Loaded>
    </section>
  );
}

function Name({ flag: { name, definition, stale } }: { flag: FlagView }) {
  const { description, owner, kind, client } = definition;
  const about = [kind, client ? 'told to browsers' : undefined, owner && `of ${owner}`]
    .filter(Boolean)
    .join(', ');
  return (
    <>
      <b>{name}</b>
      {description !== undefined && <p class="small">{description}</p>}
      {about !== '' && <p class="quiet small">{about}</p>}
      {stale !== undefined && (
        <p class="small">
          <State state="suspect" text={stale} />
        </p>
      )}
    </>
  );
}

function word(value: FlagView['value']): string {
  return value === true ? 'on' : value === false ? 'off' : String(value);
}

function Value({ flag: { value, killed, definition } }: { flag: FlagView }) {
  const shares = Object.entries(definition.ramp ?? {}).filter(([, share]) => share > 0);
  const needs = definition.needs ?? [];
  return (
    <>
      {word(value)}
      {killed
        ? ` killed by ${killed.actor}: ${killed.reason}`
        : shares.map(([name, share]) => `, ${name} for ${share} %`)}
      {needs.length > 0 && (
        <p class="quiet small">needs {needs.map(({ flag, is }) => `${flag} = ${word(is)}`).join(' and ')}</p>
      )}
    </>
  );
}

function Acts({ flag }: { flag: FlagView }) {
  const { name, killed, isEdited, definition } = flag;
  const about = (verb: string, text: string): Pick<Act, 'title' | 'confirm' | 'path' | 'needs' | 'body'> => ({
    title: `${text} the flag ${name}?`,
    confirm: text,
    path: `/v1/flags/${verb}`,
    needs: 'flags',
    body: { flag: name },
  });
  if (killed) {
    const act = { ...about('revive', 'Revive'), fields: [reasonField] };
    return <ActButton act={act} text="Revive" label={`Revive ${name}`} />;
  }
  const variants = Object.entries(definition.variants);
  const others = variants.map(([variant]) => variant).filter((variant) => variant !== definition.default);
  const set: Act = {
    ...about('set', 'Set'),
    fields: [
      {
        name: 'variant',
        label: 'What everybody gets',
        kind: 'choice',
        first: definition.default,
        choices: variants.map(([variant, value]) => ({
          value: variant,
          text: `${variant} (${word(value)})`,
        })),
      },
      reasonField,
    ],
    bodyOf: ({ variant, reason }) => ({
      value: definition.variants[String(variant)],
      ...(String(reason) !== '' && { reason }),
    }),
  };
  const ramp: Act = {
    ...about('ramp', 'Ramp'),
    fields: [
      {
        name: 'variant',
        label: 'Variant that grows',
        kind: 'choice',
        first: others[0] ?? '',
        choices: others.map((variant) => ({ value: variant, text: variant })),
      },
      {
        name: 'percent',
        label: 'Per cent of users',
        kind: 'number',
        first: definition.ramp?.[others[0] ?? ''] ?? 0,
        limits: { min: 0, max: 100 },
        isNeeded: true,
      },
      reasonField,
    ],
  };
  const kill: Act = { ...about('kill', 'Kill'), isDanger: true, fields: [reasonField] };
  const unset: Act = { ...about('unset', 'Unset'), fields: [reasonField] };
  return (
    <div class="verbs">
      <ActButton act={set} text="Set" label={`Set ${name}`} />
      {others.length > 0 && <ActButton act={ramp} text="Ramp" label={`Ramp ${name}`} />}
      {isEdited && <ActButton act={unset} text="Unset" label={`Unset ${name}`} />}
      <ActButton act={kill} text="Kill" label={`Kill ${name}`} />
    </div>
  );
}

export const panel: Panel = { id: 'flags', title: 'Flags', order: 40, View: Flags };
