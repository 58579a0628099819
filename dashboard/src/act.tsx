// Whatever is changed from the page goes through one dialog: it names the thing, asks the controller for a
// dry run and shows the steps that it would take, and only then lets somebody confirm. It decides nothing
// itself.
import { signal } from '@preact/signals';
import type { TargetedEvent } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Action } from '../../engine/src/api/roles.ts';
import type { VerbAnswer } from '../../engine/src/api/control.ts';
import { changed, mayI, pollStatus, words } from './live.ts';
import { ask } from './talk.ts';
import { length } from './words.ts';

type Value = string | number | boolean;
export type Choice = { readonly value: string; readonly text: string };
export type Field = {
  readonly name: string;
  readonly label: string;
  readonly kind: 'line' | 'text' | 'check' | 'choice' | 'number' | 'time';
  readonly first?: Value;
  readonly placeholder?: string;
  readonly isNeeded?: boolean;
  /** Sent although it is empty. */
  readonly isAlwaysSent?: boolean;
  /** Read when the dialog opens; before that the first ones are there. */
  readonly choices?: readonly Choice[];
  readonly moreChoices?: () => Promise<readonly Choice[]>;
  readonly limits?: { readonly min: number; readonly max: number };
};
export type Act = {
  /** Names the thing: `Abort the rollout of r2?` */
  readonly title: string;
  readonly confirm: string;
  readonly path: string;
  readonly needs: Action;
  readonly isDanger?: boolean;
  readonly fields?: readonly Field[];
  readonly body?: Readonly<Record<string, unknown>>;
  /** Some acts have nothing to show beforehand. */
  readonly hasNoDryRun?: boolean;
  /** What is sent, from what was filled in; the fields themselves without it. */
  readonly bodyOf?: (values: Readonly<Record<string, Value>>) => Record<string, unknown>;
  readonly onDone?: (answer: unknown) => void;
};

export const reasonField: Field = {
  name: 'reason',
  label: 'Reason',
  kind: 'text',
  placeholder: 'what you saw',
};

const open = signal<Act | undefined>(undefined);
/** What became of the last act, for the status line. */
export const outcome = signal('');

export function act(chosen: Act): void {
  outcome.value = '';
  open.value = chosen;
}

type ButtonProps = {
  act: Act;
  text: string;
  /** What a screen reader says where the text alone would not name the thing. */
  label?: string;
  verb?: string;
  isMain?: boolean;
  isBig?: boolean;
  isOff?: boolean;
};

/** Not there for those who may not. */
export function ActButton({ act: chosen, text, label, verb, isMain, isBig, isOff = false }: ButtonProps) {
  if (!mayI(chosen.needs)) return null;
  const look = chosen.isDanger ? 'danger' : isMain ? 'main' : '';
  return (
    <button
      type="button"
      class={isBig ? `${look} big` : look}
      disabled={isOff}
      data-verb={verb}
      {...(label !== undefined && { 'aria-label': label, title: label })}
      onClick={() => act(chosen)}
    >
      {text}
    </button>
  );
}

export function ActDialog() {
  return open.value && <Dialog key={open.value.title} act={open.value} />;
}

type Look = { readonly steps: readonly string[]; readonly trouble: string; readonly isReady: boolean };

const untold: Look = { steps: [], trouble: '', isReady: false };

function Dialog({ act: chosen }: { act: Act }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const fields = chosen.fields ?? [];
  const [values, setValues] = useState(() => firstValues(fields));
  const given = bodyOf(chosen, values);
  const isFilled = fields.every(
    ({ name, isNeeded }) => !isNeeded || String(values[name] ?? '').trim() !== '',
  );
  const [look, setLook] = useDryRun(chosen, given, isFilled);

  // Before the next key: what somebody types after Enter is for the dialog.
  useLayoutEffect(() => {
    const place = dialog.current!;
    place.showModal();
    const first =
      place.querySelector<HTMLElement>('textarea, input, select') ?? place.querySelector('#confirm');
    first?.focus();
    return () => place.close();
  }, []);
  const close = (): void => void (open.value = undefined);
  const perform = async (event: Event): Promise<void> => {
    event.preventDefault();
    if (!look.isReady) return;
    setLook({ ...look, isReady: false, trouble: '' });
    const startedAt = performance.now();
    try {
      const answer = await ask<Partial<VerbAnswer>>(chosen.path, given);
      const rollout = answer.rollout === undefined ? '' : ` (rollout ${answer.rollout})`;
      outcome.value = `${chosen.confirm}: accepted in ${length(performance.now() - startedAt, true)}${rollout}.`;
      changed.value++;
      chosen.onDone?.(answer);
      close();
      void pollStatus();
    } catch (error) {
      setLook({ ...look, isReady: true, trouble: words(error) });
    }
  };
  return (
    <dialog id="dialog" ref={dialog} aria-labelledby="dialog-title" onClose={close}>
      <form method="dialog" onSubmit={(event) => void perform(event)}>
        <h3 id="dialog-title">{chosen.title}</h3>
        {fields.map((field) => (
          <Input
            key={field.name}
            field={field}
            value={values[field.name] ?? ''}
            onValue={(value) => setValues((before) => ({ ...before, [field.name]: value }))}
          />
        ))}
        <Steps steps={look.steps} />
        <p id="dialog-error" class="error" role="alert">
          {look.trouble}
        </p>
        <div class="verbs">
          <button type="button" id="cancel" onClick={close}>
            Cancel
          </button>
          <button
            type="submit"
            id="confirm"
            class={chosen.isDanger ? 'danger' : 'main'}
            disabled={!look.isReady}
          >
            {chosen.confirm}
          </button>
        </div>
      </form>
    </dialog>
  );
}

function Steps({ steps }: { steps: readonly string[] }) {
  if (steps.length === 0) return null;
  return (
    <div>
      <p class="quiet small">What will happen</p>
      <ol id="steps">
        {steps.map((step, index) => (
          <li key={index}>{step}</li>
        ))}
      </ol>
    </div>
  );
}

/** What the controller would do with it, asked again whenever something is filled in. */
function useDryRun(chosen: Act, given: object, isFilled: boolean): [Look, (look: Look) => void] {
  const turn = useRef(0);
  const [look, setLook] = useState<Look & { readonly of?: string }>(untold);
  // A reason changes nothing of what would happen.
  const asked = JSON.stringify({ ...given, reason: undefined });
  useEffect(() => {
    const mine = ++turn.current;
    if (!isFilled) return setLook(untold);
    if (chosen.hasNoDryRun) return setLook({ ...untold, isReady: true, of: asked });
    const dryRun = async (): Promise<void> => {
      try {
        const { steps } = await ask<VerbAnswer>(chosen.path, { ...given, dryRun: true });
        if (mine === turn.current) setLook({ steps: steps ?? [], trouble: '', isReady: true, of: asked });
      } catch (error) {
        if (mine === turn.current) setLook({ ...untold, trouble: words(error) });
      }
    };
    const timer = setTimeout(() => void dryRun(), mine === 1 ? 0 : 200);
    return () => clearTimeout(timer);
  }, [asked, isFilled]);
  // What was said of other values says nothing of these.
  const isReady = look.isReady && look.of === asked;
  return [{ ...look, isReady }, (next) => setLook({ ...next, of: asked })];
}

function firstValues(fields: readonly Field[]): Readonly<Record<string, Value>> {
  return Object.fromEntries(
    fields.map(({ name, kind, first }) => [name, first ?? (kind === 'check' ? false : '')]),
  );
}

function bodyOf({ body, fields = [], bodyOf: own }: Act, values: Readonly<Record<string, Value>>): object {
  if (own) return { ...body, ...own(values) };
  const given = fields.flatMap(({ name, kind, isAlwaysSent }): [string, Value][] => {
    const value = values[name] ?? '';
    if (kind === 'number') return value === '' ? [] : [[name, Number(value)]];
    if (kind === 'check') return value === true ? [[name, true]] : [];
    const text = String(value).trim();
    return text === '' && !isAlwaysSent ? [] : [[name, text]];
  });
  return { ...body, ...Object.fromEntries(given) };
}

type InputProps = { field: Field; value: Value; onValue: (value: Value) => void };

function Input({ field, value, onValue }: InputProps) {
  const { name, label, kind, placeholder, isNeeded = false, limits } = field;
  const id = `field-${name}`;
  const onText = ({ currentTarget }: TargetedEvent<HTMLInputElement | HTMLTextAreaElement>): void =>
    onValue(currentTarget.value);
  if (kind === 'check')
    return (
      <label class="row" for={id}>
        <input
          id={id}
          type="checkbox"
          checked={value === true}
          onChange={({ currentTarget }) => onValue(currentTarget.checked)}
        />
        {label}
      </label>
    );
  const about = { id, required: isNeeded, placeholder, value: String(value) };
  return (
    <label for={id}>
      {label}
      {kind === 'text' && <textarea {...about} maxLength={2000} onInput={onText} />}
      {kind === 'line' && <input {...about} maxLength={300} onInput={onText} />}
      {kind === 'time' && <input {...about} type="datetime-local" onInput={onText} />}
      {kind === 'number' && <input {...about} {...limits} type="number" step="any" onInput={onText} />}
      {kind === 'choice' && <Select field={field} value={String(value)} onValue={onValue} />}
    </label>
  );
}

function Select({
  field,
  value,
  onValue,
}: {
  field: Field;
  value: string;
  onValue: (value: string) => void;
}) {
  const [more, setMore] = useState<readonly Choice[]>([]);
  useEffect(() => {
    let isOpen = true;
    void field
      .moreChoices?.()
      .then((found) => isOpen && setMore(found))
      // The first choices are there all the same.
      .catch(() => undefined);
    return () => void (isOpen = false);
  }, []);
  return (
    <select
      id={`field-${field.name}`}
      value={value}
      onChange={({ currentTarget }) => onValue(currentTarget.value)}
    >
      {[...(field.choices ?? []), ...more].map((choice) => (
        <option key={choice.value} value={choice.value}>
          {choice.text}
        </option>
      ))}
    </select>
  );
}
