// Environment files as dotenv and shells read them: assignments, whose quoted values may go over several
// lines, and everything else. Only what is meant changes; comments, order, quotes and line endings of the
// rest stay byte for byte. Values never leave this file but masked.
import type { Edited } from './edit-lines.ts';
import type { Reason } from './tree.ts';

/** `.env`, `.env.local`, `.env-staging`, `.envrc`. */
export const environmentPath = /(^|\/)\.env(?:rc|[.-][\w.-]+)?$/;

/** Those that show names only. */
export const environmentExample = /\.(?:example|sample|template)$/;

/** What becomes of each variable: another name, or undefined to take it out. */
export type VariableMap = ReadonlyMap<string, string | undefined>;

/** One assignment, or one line of anything else; parts behind each other are the file. */
type Part = {
  readonly line: number;
  /** `export` and spaces; the whole line where it is no assignment. */
  readonly before: string;
  readonly name?: string;
  readonly sign: string;
  /** To the end of its last line, the line ending included. */
  readonly value: string;
};

const assignment = /([^\S\r\n]*(?:export[ \t]+)?)([A-Za-z_][\w.-]*)([ \t]*=|:[ \t])/y;
const restOfLine = /[^\n]*(?:\n|$)/y;
// As dotenv reads them: behind the closing quote only a comment may stand, or it was no quote.
const quoted = /[ \t]*(?:"(?:\\[^]|[^"\\])*"|'(?:\\'|[^'])*'|`(?:\\`|[^`])*`)[ \t]*(?:#[^\n]*)?\r?(?:\n|$)/y;

function partsOf(text: string): Part[] {
  const parts: Part[] = [];
  for (let at = 0, line = 1; at < text.length;) {
    const start = at;
    const [, before, name, sign = ''] = matchAt(assignment, text, at) ?? [];
    const valueAt = at + (name === undefined ? 0 : before!.length + name.length + sign.length);
    const value =
      (name !== undefined && matchAt(quoted, text, valueAt)) || matchAt(restOfLine, text, valueAt);
    at = valueAt + value![0].length;
    if (name === undefined) parts.push({ line, before: value![0], sign: '', value: '' });
    else parts.push({ line, before: before!, name, sign, value: value![0] });
    line += text.slice(start, at).split('\n').length - 1;
  }
  return parts;
}

/** Reasons hold names, never values; so does `left`, the references to what is gone. */
export function editEnvironment(text: string, variables: VariableMap): Edited {
  const parts = partsOf(text);
  const heirs = heirsOf(parts, variables);
  const reasons: Reason[] = [];
  const kept = parts.flatMap((part): string[] => {
    const { name = '', line, before, sign, value } = part;
    const to = variables.has(name) ? variables.get(name) : name;
    const heir = to === undefined ? undefined : heirs.get(to);
    const note = (what: string): string[] => {
      reasons.push({ line, text: what });
      return [];
    };
    if (to === undefined) return note(`${name} is taken out`);
    if (to !== name && heir !== name) return note(`${name} is taken out: ${to} is there`);
    if (to === name && heir !== undefined) return note(`${name}, empty, makes way for ${heir}`);
    if (to !== name) note(`${name} becomes ${to}`);
    return [`${before}${to}${sign}${referring(value, variables, line, reasons)}`];
  });
  const edited = kept.join('');
  const left = partsOf(edited).flatMap(({ line, value }) =>
    [...value.matchAll(reference)]
      .filter(([, , name = '']) => variables.has(name) && variables.get(name) === undefined)
      .map(([, , name]) => ({ line, text: `a value refers to ${name}, which is gone` })),
  );
  return { text: edited, reasons, left };
}

/** Who gets a new name, where it is free or only a placeholder: one with a value before one without. */
function heirsOf(parts: readonly Part[], variables: VariableMap): ReadonlyMap<string, string> {
  const filled = new Set(parts.filter((each) => !isEmpty(each)).map(({ name }) => name));
  const present = new Set(parts.map(({ name }) => name));
  const heirs = new Map<string, string>();
  for (const isFilled of [true, false])
    for (const part of parts) {
      const { name = '' } = part;
      const to = variables.get(name);
      if (to === undefined || to === name || heirs.has(to) || isEmpty(part) === isFilled) continue;
      if (isFilled ? !filled.has(to) : !present.has(to)) heirs.set(to, name);
    }
  return heirs;
}

const reference = /(?<!\\)(\$\{?)([A-Za-z_]\w*)/g;

/** `$NAME` and `${NAME}` in a value follow their name. */
function referring(value: string, variables: VariableMap, line: number, reasons: Reason[]): string {
  if (/^[ \t]*'/.test(value)) return value;
  return value.replace(reference, (whole, sign: string, name: string) => {
    const to = variables.get(name);
    if (to === undefined || to === name) return whole;
    reasons.push({ line, text: `a value refers to ${to} instead of ${name}` });
    return `${sign}${to}`;
  });
}

/** Adds names without values, each with what it is for. */
export function addVariables(text: string, wanted: Readonly<Record<string, string>>): Edited {
  const present = new Set(partsOf(text).map(({ name }) => name));
  const missing = Object.entries(wanted).filter(([name]) => !present.has(name));
  if (missing.length === 0) return { text, reasons: [], left: [] };
  const end = text.includes('\r\n') ? '\r\n' : '\n';
  const start = text === '' || text.endsWith('\n') ? text : `${text}${end}`;
  const line = start.split('\n').length;
  const added = missing.map(([name, why]) => `# ${why}${end}${name}=${end}`).join('');
  const reasons = missing.map(([name]) => ({ line, text: `${name} is added` }));
  return { text: start + added, reasons, left: [] };
}

/** With `…` for every value, also in comments; as many lines as before. */
export function maskEnvironment(text: string): string {
  return partsOf(text)
    .map(({ before, name, sign, value }) => {
      if (name !== undefined) return `${before}${name}${sign}${maskLines(value)}`;
      const [, space = '', rest = ''] = /^(\s*#+)?([^]*)$/.exec(before) ?? [];
      if (rest.trim() === '') return before;
      return space === '' ? maskLines(before) : `${space}${maskComment(rest)}`;
    })
    .join('');
}

/** Words may be read; what stands behind `=` or `NAME:`, and what looks like a key, may not. */
function maskComment(text: string): string {
  return text
    .replace(/=[ \t]*[^\s][^\r\n]*/, '=…')
    .replace(/(\b\w{3,}[ \t]*:)[^\r\n]*\S/, '$1 …')
    .replace(/\S+:\/\/\S*@\S*/g, '…')
    .replace(/(?=\S*\d)[\w+/.~-]{16,}/g, '…');
}

function maskLines(text: string): string {
  return text.replace(/[^\r\n]*[^\s][^\r\n]*/g, '…');
}

/** Values without quotes and trailing comments, by name. */
export function environmentValues(text: string): [string, string][] {
  return partsOf(text).flatMap((part): [string, string][] =>
    part.name === undefined || isEmpty(part) ? [] : [[part.name, bare(part.value)]],
  );
}

function isEmpty({ value }: Part): boolean {
  return bare(value) === '';
}

function bare(value: string): string {
  const text = value.trim();
  const [, inside] = /^(["'`])([^]*)\1\s*(?:#.*)?$/.exec(text)?.slice(1) ?? [];
  return inside ?? text.replace(/(?:^|\s)#.*$/, '').trim();
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
