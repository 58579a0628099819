// Python's lists of packages: requirements.txt by logical line, pyproject.toml by the ranges of its tokens.
// What names a package and cannot be taken out by rule is for a person; nothing else changes.
import { lineEnd, lineStart, merged, type Cut, type Edited } from './edit-lines.ts';
import { lineAt, type Reason } from './tree.ts';

/** PEP 503: names differ neither by case nor by the kind of separator. */
export function packageName(text: string): string {
  return text.toLowerCase().replace(/[-_.]+/g, '-');
}

const requirementName = /^\s*([A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?)\s*(?:$|[[<>=!~;@#,\s(])/;

function isRequirementOf(packages: RegExp, text: string): boolean {
  const name = requirementName.exec(text)?.[1];
  return name !== undefined && packages.test(packageName(name));
}

/** Whole requirements go: with hashes, continued lines, and the indented comments pip-compile puts below. */
export function removeRequirements(text: string, packages: RegExp): Edited {
  const reasons: Reason[] = [];
  const kept: string[] = [];
  let isGone = false;
  const logical = /(?:[^\n]*\\\r?\n)*[^\n]*(?:\n|$)/g;
  for (const { 0: line, index } of text.matchAll(logical)) {
    if (line === '') continue;
    const isNote = /^[ \t]+#/.test(line);
    isGone = isRequirementOf(packages, line) || (isGone && isNote);
    if (!isGone) kept.push(line);
    else if (!isNote)
      reasons.push({ line: lineAt(text, index), text: `${requirementName.exec(line)![1]} is taken out` });
  }
  const edited = kept.join('');
  return { text: edited, reasons, left: mentions(edited, packages) };
}

type Token = {
  readonly kind: 'comment' | 'string' | 'mark' | 'bare' | 'end';
  readonly start: number;
  readonly text: string;
};
const tokenPattern = new RegExp(
  [
    /(?<comment>#[^\n]*)/,
    /(?<string>"""(?:\\[^]|[^\\])*?"""|'''[^]*?'''|"(?:\\.|[^"\\\n])*"|'[^'\n]*')/,
    /(?<end>\n)|(?<mark>[[\]{}=,.])|(?<bare>[^\s#"'[\]{}=,.]+)/,
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);

function tokensOf(text: string): Token[] {
  return [...text.matchAll(tokenPattern)].map(({ 0: found, index, groups = {} }) => ({
    kind: Object.keys(groups).find((kind) => groups[kind] !== undefined) as Token['kind'],
    ...{ start: index, text: found },
  }));
}

/** Arrays and tables of dependencies, by the names that tools give them. */
const dependencies = /(?:^|\.)(?:[\w-]*dependencies|dependency-groups|extras|requires|sources)(?:\.|$)/;

/** Their keys are names of groups, not of packages. */
const groups = /(?:^|\.)(?:optional-dependencies|dependency-groups|extras)$/;

/** Entries of arrays and tables of dependencies, wherever on a line they stand. */
export function removePyproject(text: string, packages: RegExp): Edited {
  const tokens = tokensOf(text);
  const reasons: Reason[] = [];
  const cuts: Cut[] = [];
  const cut = (name: string, at: number, from: number, to: number): void => {
    cuts.push({ from, to });
    reasons.push({ line: lineAt(text, at), text: `${name} is taken out` });
  };
  let table = '';
  for (let at = 0; at < tokens.length;) {
    if (tokens[at]!.kind === 'end' || tokens[at]!.kind === 'comment') {
      at++;
      continue;
    }
    const end = statementEnd(tokens, at);
    const statement = tokens.slice(at, end);
    at = end;
    if (statement[0]!.text === '[') {
      table = statement.flatMap(({ kind, text: part }) => (isWord(kind) ? [unquoted(part)] : [])).join('.');
      continue;
    }
    const sign = statement.findIndex(({ text: part }) => part === '=');
    const keys = statement.slice(0, Math.max(0, sign)).filter(({ kind }) => isWord(kind));
    const path = [table, ...keys.map(({ text: part }) => unquoted(part))].filter(Boolean);
    const name = path.at(-1) ?? '';
    const above = path.slice(0, -1).join('.');
    if (dependencies.test(above) && !groups.test(above) && packages.test(packageName(name))) {
      const [first, last] = [statement[0]!, statement.at(-1)!];
      cut(name, first.start, lineStart(text, first.start), lineEnd(text, last.start + last.text.length));
    } else if (dependencies.test(path.join('.')))
      for (const each of entriesOf(statement.slice(sign + 1)))
        if (isRequirementOf(packages, unquoted(each.entry.text)))
          cut(requirementName.exec(unquoted(each.entry.text))![1]!, each.entry.start, ...rangeOf(text, each));
  }
  const edited = withoutEntries(text, cuts);
  return { text: edited, reasons, left: mentions(edited, packages) };
}

function isWord(kind: Token['kind']): boolean {
  return kind === 'bare' || kind === 'string';
}

/** A header or an assignment ends with its line; brackets go over lines. */
function statementEnd(tokens: readonly Token[], from: number): number {
  let depth = 0;
  for (let at = from; at < tokens.length; at++) {
    const { kind, text } = tokens[at]!;
    if (kind === 'mark' && (text === '[' || text === '{')) depth++;
    if (kind === 'mark' && (text === ']' || text === '}')) depth--;
    if (kind === 'end' && depth <= 0) return at;
  }
  return tokens.length;
}

/** No comma is left in front of a bracket on the same line. */
function withoutEntries(text: string, cuts: readonly Cut[]): string {
  return merged(cuts).reduceRight((left, { from, to }) => {
    const isLast = /^[ \t]*\]/.test(left.slice(to));
    const comma = isLast ? (/,[ \t]*$/.exec(left.slice(0, from))?.[0].length ?? 0) : 0;
    return left.slice(0, from - comma) + left.slice(to);
  }, text);
}

type ArrayEntry = { readonly entry: Token; readonly previous: Token; readonly next: Token };

/** The strings that are entries of an array itself, with the marks around them. */
function entriesOf(value: readonly Token[]): ArrayEntry[] {
  const solid = value.filter(({ kind }) => kind !== 'end' && kind !== 'comment');
  let depth = 0;
  return solid.flatMap((entry, at): ArrayEntry[] => {
    if (entry.kind === 'mark') depth += /[[{]/.test(entry.text) ? 1 : /[\]}]/.test(entry.text) ? -1 : 0;
    if (depth !== 1 || solid[0]!.text !== '[') return [];
    const [previous, next] = [solid[at - 1], solid[at + 1]];
    const isEntry = entry.kind === 'string' && /^[[,]$/.test(previous?.text ?? '');
    return isEntry && next && /^[\],]$/.test(next.text) ? [{ entry, previous: previous!, next }] : [];
  });
}

/** Its whole line where it is alone there; else the entry with one comma. */
function rangeOf(text: string, { entry, previous, next }: ArrayEntry): readonly [number, number] {
  const end = entry.start + entry.text.length;
  const start = lineStart(text, entry.start);
  const behind = next.text === ',' ? next.start + 1 : end;
  const isAlone =
    text.slice(start, entry.start).trim() === '' && /^[ \t]*(?:#[^\n]*)?\r?(?:\n|$)/.test(text.slice(behind));
  if (isAlone && (next.text === ',' || previous.start < start)) return [start, lineEnd(text, behind)];
  if (next.text === ',') return [entry.start, behind + /^[ \t]*/.exec(text.slice(behind))![0].length];
  return [previous.text === ',' ? previous.start : entry.start, end];
}

function unquoted(text: string): string {
  return text.replace(/^("""|'''|"|')([^]*)\1$/, '$2');
}

/** Words in comments, strings, URLs and paths that are one of the packages. */
export function mentions(text: string, packages: RegExp): Reason[] {
  return text.split('\n').flatMap((line, index) => {
    const word = line.match(/[A-Za-z0-9][\w-]*/g)?.find((each) => packages.test(packageName(each)));
    return word === undefined ? [] : [{ line: index + 1, text: `names ${word}` }];
  });
}
