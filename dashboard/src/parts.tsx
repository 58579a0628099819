// The building blocks of every panel: sheets, tables that become cards where it is narrow, states that have a
// shape and a word, and what stands there while something is read.
import type { ComponentChild, ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';
import type { Read } from './live.ts';
import { icons, tone } from './words.ts';

export function Sheet({ title, id, children }: { title: string; id?: string; children: ComponentChildren }) {
  const titleId = useId();
  return (
    <section class="sheet" aria-labelledby={titleId}>
      <h2 id={titleId}>{title}</h2>
      <div id={id}>{children}</div>
    </section>
  );
}

export function State({ state, text }: { state: string; text?: string | undefined }) {
  return (
    <span class={`state ${tone(state)}`}>
      <span aria-hidden="true">{icons[state] ?? '·'} </span>
      {text ?? state.replaceAll('_', ' ')}
    </span>
  );
}

export function Why({ isBad = false, children }: { isBad?: boolean; children: ComponentChildren }) {
  return <div class={isBad ? 'why bad' : 'why'}>{children}</div>;
}

export type Column<Row> = {
  readonly name: string;
  readonly cell: (row: Row) => ComponentChild;
  readonly isNumber?: boolean;
  /** May hold a long word, such as a hash, that is broken where there is no room. */
  readonly isText?: boolean;
};

type TableProps<Row> = {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf: (row: Row) => string | number;
  empty?: string;
};

/** Its roles are named, since a table that is laid out as cards loses them in some browsers. */
export function Table<Row>({ caption, columns, rows, keyOf, empty = 'There is none.' }: TableProps<Row>) {
  if (rows.length === 0) return <p class="quiet small">{empty}</p>;
  return (
    <table role="table">
      <caption class="unseen">{caption}</caption>
      <thead role="rowgroup">
        <tr role="row">
          {columns.map(({ name, isNumber }) => (
            <th key={name} role="columnheader" scope="col" class={isNumber ? 'number' : ''}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody role="rowgroup">
        {rows.map((row) => (
          <tr key={keyOf(row)} role="row">
            {columns.map(({ name, cell, isNumber, isText }) => (
              <td key={name} role="cell" data-label={name} class={isNumber ? 'number' : isText ? 'text' : ''}>
                <div>{cell(row)}</div>
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Shows what was read; before that, that it is being read, or why it cannot be. */
export function Loaded<T>({ read, children }: { read: Read<T>; children: (value: T) => ComponentChild }) {
  const { value, trouble } = read;
  return (
    <>
      {trouble !== undefined && <p class="error">{trouble}</p>}
      {value !== undefined && children(value)}
      {value === undefined && trouble === undefined && <p class="quiet">Reading…</p>}
    </>
  );
}

export function Facts({ facts }: { facts: readonly (readonly [string, ComponentChild])[] }) {
  return (
    <dl>
      {facts.map(([name, value]) => (
        <div key={name} class="fact">
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

type Criterion = { readonly name: string; readonly verdict: string; readonly text: string };

/** What a rollback must have reached, each with its verdict. */
export function Criteria({ criteria }: { criteria: readonly Criterion[] }) {
  if (criteria.length === 0) return null;
  return (
    <ul class="plain">
      {criteria.map(({ name, verdict, text }) => (
        <li key={name}>
          <State state={verdict} text={name} />: {text}
        </li>
      ))}
    </ul>
  );
}
