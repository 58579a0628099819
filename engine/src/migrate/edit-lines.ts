// Edits of files that are made of lines: environment files, requirements, arrays of TOML. Only the lines that
// are meant change; comments, order, quotes and endings of the others stay as they are.
import type { Reason } from './tree.ts';

export type Edited = { readonly text: string; readonly reasons: readonly Reason[] };

/** What becomes of each variable: another name, or undefined to take it out. */
export type VariableMap = ReadonlyMap<string, string | undefined>;

const assignment = /^(\s*(?:export\s+)?)([A-Za-z_][A-Za-z0-9_]*)(\s*=)/;

/** A name that is there already is not made a second time. Reasons hold names, never values. */
export function editEnvironment(text: string, variables: VariableMap): Edited {
  const lines = text.split('\n');
  const present = new Set(lines.map((line) => assignment.exec(line)?.[2]));
  const reasons: Reason[] = [];
  const kept = lines.flatMap((line, index) => {
    const [, before = '', name = '', sign = ''] = assignment.exec(line) ?? [];
    if (!variables.has(name)) return [line];
    const to = variables.get(name);
    const isTwice = to !== undefined && present.has(to);
    const what = to === undefined || isTwice ? `${name} is taken out` : `${name} becomes ${to}`;
    reasons.push({ line: index + 1, text: what });
    return to === undefined || isTwice
      ? []
      : [`${before}${to}${sign}${line.slice(before.length + name.length + sign.length)}`];
  });
  return { text: kept.join('\n'), reasons };
}

/** Adds names without values, each with what it is for. */
export function addVariables(text: string, wanted: Readonly<Record<string, string>>): Edited {
  const present = new Set(text.split('\n').map((line) => assignment.exec(line)?.[2]));
  const missing = Object.entries(wanted).filter(([name]) => !present.has(name));
  if (missing.length === 0) return { text, reasons: [] };
  const start = text === '' || text.endsWith('\n') ? text : `${text}\n`;
  const line = start.split('\n').length;
  const added = missing.map(([name, why]) => `# ${why}\n${name}=\n`).join('');
  return { text: start + added, reasons: missing.map(([name]) => ({ line, text: `${name} is added` })) };
}

/** Lines of requirements.txt that name one of these packages. */
export function removeRequirements(text: string, packages: RegExp): Edited {
  return removeLines(text, (line) => {
    const name = /^\s*([A-Za-z0-9][A-Za-z0-9._-]*)/.exec(line)?.[1];
    return name !== undefined && packages.test(name) ? `${name} is taken out` : undefined;
  });
}

/** Entries of a dependency array or table of pyproject.toml, each on a line of its own. */
export function removePyproject(text: string, packages: RegExp): Edited {
  return removeLines(text, (line) => {
    const name = /^\s*["']?([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?(?:["'<>=!~ ,;]|$)/.exec(line)?.[1];
    const isEntry = /^\s*["'][^"']+["']\s*,?\s*(?:#.*)?$/.test(line) || /^\s*[\w.-]+\s*=\s*["'{]/.test(line);
    return name !== undefined && isEntry && packages.test(name) ? `${name} is taken out` : undefined;
  });
}

export function removeLines(text: string, why: (line: string) => string | undefined): Edited {
  const reasons: Reason[] = [];
  const kept = text.split('\n').filter((line, index) => {
    const reason = why(line);
    if (reason !== undefined) reasons.push({ line: index + 1, text: reason });
    return reason === undefined;
  });
  return { text: kept.join('\n'), reasons };
}

/** Whole words, wherever they stand; for files whose grammar does not matter to a name. */
export function renameWords(text: string, names: ReadonlyMap<string, string>): Edited {
  const reasons: Reason[] = [];
  const lines = text.split('\n').map((line, index) =>
    line.replace(/[A-Za-z_][A-Za-z0-9_]*/g, (word) => {
      const to = names.get(word);
      if (to === undefined) return word;
      reasons.push({ line: index + 1, text: `${word} becomes ${to}` });
      return to;
    }),
  );
  return { text: lines.join('\n'), reasons };
}
