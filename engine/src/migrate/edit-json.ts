// Edits of JSON by range: indentation, order and comments of everything else stay.
import { applyEdits, modify, parse, type ParseError } from 'jsonc-parser';
import type { Edited } from './edit-lines.ts';
import { lineAt, type Reason } from './tree.ts';

export type JsonPath = readonly (string | number)[];

/** Undefined takes the key out; an object that is left empty stays. */
export function setJson(text: string, path: JsonPath, value: unknown): string {
  const indent = /^([ \t]+)"/m.exec(text)?.[1] ?? '  ';
  const isTabs = indent.startsWith('\t');
  const formattingOptions = { insertSpaces: !isTabs, tabSize: isTabs ? 1 : indent.length, eol: '\n' };
  return applyEdits(text, modify(text, [...path], value, { formattingOptions }));
}

export function readJson(text: string): unknown {
  return parse(text);
}

/** What package.json loses and gains. */
export type PackageEdit = {
  readonly remove: RegExp;
  readonly add: Readonly<Record<string, string>>;
  readonly addDev: Readonly<Record<string, string>>;
  /** Scripts whose command matches go. */
  readonly removeScripts: RegExp;
  /** Scripts that are not there come. */
  readonly addScripts: Readonly<Record<string, string>>;
};

type Package = Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;

/** What is no JSON is left alone, and so is a package that `stays`: the file named there imports it. */
export function editPackage(
  text: string,
  edit: PackageEdit,
  stays: ReadonlyMap<string, string> = new Map(),
): Edited {
  const errors: ParseError[] = [];
  const found = (parse(text, errors) ?? {}) as Package;
  if (errors.length > 0)
    return { text, reasons: [], left: [{ line: lineAt(text, errors[0]!.offset), text: 'is no JSON' }] };
  const reasons: Reason[] = [];
  const left: Reason[] = [];
  let edited = text;
  const note = (key: string, what: string): void => {
    reasons.push({ line: lineAt(text, Math.max(0, text.indexOf(`"${key}"`))), text: what });
  };
  const set = (path: JsonPath, value: unknown, what: string): void => {
    edited = setJson(edited, path, value);
    note(String(path.at(-1)), what);
  };
  for (const group of ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'])
    for (const name of Object.keys(found[group] ?? {}))
      if (edit.remove.test(name) && stays.has(name))
        left.push({
          line: lineAt(text, Math.max(0, text.indexOf(`"${name}"`))),
          text: `${name} stays: ${stays.get(name)!} still imports it`,
        });
      else if (edit.remove.test(name)) set([group, name], undefined, `${name} is taken out of ${group}`);
  for (const [group, added] of [
    ['dependencies', edit.add],
    ['devDependencies', edit.addDev],
  ] as const)
    for (const [name, version] of Object.entries(added))
      if (found[group]?.[name] === undefined)
        set([group, name], version, `${name} ${version} is added to ${group}`);
  for (const [name, command] of Object.entries(found['scripts'] ?? {}))
    if (edit.removeScripts.test(command)) set(['scripts', name], undefined, `script ${name} is taken out`);
  for (const [name, command] of Object.entries(edit.addScripts))
    if (found['scripts']?.[name] === undefined) set(['scripts', name], command, `script ${name} is added`);
  return { text: edited, reasons, left };
}
