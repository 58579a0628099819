// The house rules as tests: who may import whom, what goes through the host, names, lengths, openings. Each
// rule is a function of one file and is shown to fail on a small bad sample; an exception needs a written
// reason here, and an exception that nothing needs any more fails too. It scans text with literals and
// comments blanked, since the compiler has no stable API for this; it may miss a strange layout, it does not
// guess.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import test from 'node:test';

type Source = { readonly path: string; readonly text: string };
/**
 * The same length and lines as the text: `code` without comments and literals, `prose` without code blanked.
 */
type Scan = { readonly code: string; readonly isTemplate: readonly boolean[] };
type Rule = {
  readonly name: string;
  /** Lines of what is wrong, `LINE: what`. */
  readonly find: (source: Source) => readonly string[];
  readonly bad: Source;
  readonly good: Source;
  /** Path → why it may. */
  readonly allowed?: Readonly<Record<string, string>>;
  readonly files?: 'all';
};

const maxColumns = 110;
const maxFunctionLines = 70;
const maxFileLines = 300;
const lastFileLine = 500;
const maxOpeningLines = 8;

type Reach = {
  readonly values?: readonly string[];
  readonly types?: readonly string[];
  readonly never?: readonly string[];
};

const subjectRooms = ['validate', 'backup', 'migrate', 'notify', 'status', 'flags'];
const subjectCallers = ['controller', 'cli', 'config', 'config-schema'];
const deciders = ['controller', 'gateway', 'cli'];
const foundations = ['host', 'host-node', 'durable-file', 'errors', 'assert', 'networks', 'certificate'];
const reaches: Readonly<Record<string, Reach>> = {
  rollout: { values: ['assert'], types: ['api', 'guard/evidence', 'errors'] },
  guard: { values: ['assert'], types: ['api', 'rollout', 'errors'] },
  api: { values: ['rollout', 'guard', 'errors'], types: ['host'] },
  gateway: { values: ['api', 'rollout/split', 'rollout/flags', 'flags', 'status', ...foundations] },
  controller: { never: ['gateway', 'cli', 'main'] },
  cli: { never: ['gateway', 'controller', 'main'] },
  main: {},
  dashboard: { types: ['api', 'rollout'] },
};
const purePackages = ['xxhash-wasm'];

function importTrouble(source: Source): readonly string[] {
  const from = roomOf(source.path);
  if (!from) return [];
  return importsOf(source).flatMap(({ target, isType, line }) => {
    const to = target.startsWith('.') ? join(dirname(source.path), target).replace(/\.tsx?$/, '') : target;
    return mayImport(from, to, isType) ? [] : [`${line}: ${from} imports ${isType ? 'types of ' : ''}${to}`];
  });
}

function mayImport(from: string, to: string, isType: boolean): boolean {
  const own = from === 'speech' || from === 'dashboard' ? `${from}/` : `engine/src/${from}/`;
  if (to.startsWith(own)) return true;
  const isOurs = /^(engine|speech|examples|dashboard)\//.test(to) || to.startsWith('@crossfade/');
  if (from === 'speech') return !isOurs;
  if (from === 'examples') return !isOurs || /^(examples\/|@crossfade\/speech)/.test(to);
  if (!isOurs) return (from !== 'rollout' && from !== 'guard') || purePackages.includes(to);
  if (to.startsWith('@crossfade/speech') || to.startsWith('speech/'))
    return ['validate', 'cli'].includes(from);
  const place = to.replace(/^engine\/src\//, '');
  const covers = (rooms: readonly string[] = []) =>
    rooms.some((room) => place === room || place.startsWith(`${room}/`));
  const reach = reaches[from] ?? { never: [...deciders, 'main'] };
  if (reach.never) {
    const isPrivate = subjectRooms.includes(place.split('/')[0] ?? '') && !subjectCallers.includes(from);
    return !covers(reach.never) && !isPrivate;
  }
  return from === 'main' || covers(reach.values) || (isType && covers(reach.types));
}

/**
 * The room a file is in, or the name of a file that stands alone in engine/src; undefined where all is
 * allowed.
 */
function roomOf(path: string): string | undefined {
  if (path.endsWith('.test.ts')) return undefined;
  const inEngine = /^engine\/src\/([^/]+?)(?:\.ts)?(?:\/|$)/.exec(path)?.[1];
  return inEngine ?? /^(speech)\/src\/|^(examples)\/|^(dashboard)\//.exec(path)?.slice(1).find(Boolean);
}

function importsOf({ text }: Source): { target: string; isType: boolean; line: number }[] {
  const statements = text.matchAll(/^(?:import|export)\s+([^;'"`]*?\bfrom\s+)?'([^']+)'/gm);
  const calls = text.matchAll(/\bimport\('([^']+)'\)(\.[A-Z])?/g);
  return [
    ...[...statements].map((found) => ({
      target: found[2] ?? '',
      isType: isTypeClause(found[1] ?? ''),
      line: lineAt(text, found.index),
    })),
    ...[...calls].map((found) => ({
      target: found[1] ?? '',
      isType: found[2] !== undefined,
      line: lineAt(text, found.index),
    })),
  ];
}

function isTypeClause(clause: string): boolean {
  if (/^type\s/.test(clause)) return true;
  const names = /^\{([^}]*)\}/
    .exec(clause)?.[1]
    ?.split(',')
    .filter((name) => name.trim());
  return names !== undefined && names.every((name) => /^\s*type\s/.test(name));
}

const hostNames = /\b(?:Date\.now|new Date\(\)|setTimeout|setInterval|setImmediate|Math\.random)(?!\w)/g;
const hostModules = /^node:(child_process|net|fs)(\/|$)|\/host-(node|http|processes)\.ts$/;

function hostTrouble(source: Source): readonly string[] {
  if (!/^engine\/src\/(controller|environment|gateway)\//.test(source.path)) return [];
  if (source.path.endsWith('.test.ts')) return [];
  const { code } = scan(source.text);
  const names = [...code.matchAll(hostNames)].map((found) => `${lineAt(code, found.index)}: ${found[0]}`);
  const modules = importsOf(source)
    .filter(({ target, isType }) => !isType && hostModules.test(target))
    .map(({ target, line }) => `${line}: imports ${target}`);
  return [...names, ...modules];
}

function longFunctions({ text }: Source): readonly string[] {
  const { code } = scan(text);
  const opened: { at: number; head: number | undefined }[] = [];
  const found: string[] = [];
  for (let at = 0; at < code.length; at++) {
    if (code[at] === '{') opened.push({ at, head: functionHead(code, at) });
    if (code[at] !== '}') continue;
    const head = opened.pop()?.head;
    if (head === undefined) continue;
    const [first, last] = [lineAt(code, head), lineAt(code, at)];
    if (last - first + 1 > maxFunctionLines) found.push(`${first}: a function of ${last - first + 1} lines`);
  }
  return found;
}

/** Where the parameters of the function whose body opens at `at` stand; undefined for any other brace. */
function functionHead(code: string, at: number): number | undefined {
  const before = code.slice(Math.max(0, at - 2_000), at).trimEnd();
  const offset = Math.max(0, at - 2_000);
  const isArrow = before.endsWith('=>');
  const closed = /\)(?:\s*:\s*[^(){};=]+(?:=>)?|\s*=>)?$/.exec(before);
  if (!closed) return isArrow ? at : undefined;
  let depth = 0;
  for (let open = closed.index; open >= 0; open--) {
    if (before[open] === ')') depth++;
    if (before[open] !== '(' || --depth > 0) continue;
    const word = /([\w$]+)\s*$/.exec(before.slice(0, open))?.[1] ?? '';
    const isStatement = ['if', 'for', 'while', 'switch', 'catch', 'with', 'await'].includes(word);
    const isGroup = /\b(?:describe|suite)\([^\n]*$/.test(before.slice(0, open));
    return isStatement || isGroup ? undefined : offset + open;
  }
  return undefined;
}

function wideLines({ text }: Source): readonly string[] {
  const { isTemplate } = scan(text);
  let start = 0;
  return text.split('\n').flatMap((line, index) => {
    const at = start;
    start += line.length + 1;
    const width = [...line].length;
    return width <= maxColumns || isTemplate[at + maxColumns] ? [] : [`${index + 1}: ${width} columns`];
  });
}

function openingTrouble({ text }: Source): readonly string[] {
  const lines = text.replace(/^#!.*\n/, '').split('\n');
  const opening = lines.findIndex((line) => !line.startsWith('//'));
  if (opening === 0) return ['1: does not open with a comment'];
  return opening > maxOpeningLines ? [`1: opens with ${opening} lines of comment`] : [];
}

const forbiddenParts = 'Manager|Service|Handler|Helper|Base|Impl|Data|Info';
const forbiddenFiles =
  /(^|-)(manager|service|handler|helpers?|base|impl|data|info|utils?|common|types)\.(test\.)?ts$/;

function nameTrouble({ path, text }: Source): readonly string[] {
  const { code } = scan(text);
  const all = (pattern: RegExp) =>
    [...code.matchAll(pattern)].map((found) => `${lineAt(code, found.index)}: ${found[0].trim()}`);
  return [
    ...(forbiddenFiles.test(basename(path)) ? [`1: ${basename(path)}`] : []),
    ...all(
      new RegExp(`\\b(?:class|interface|type)\\s+\\w*(?:${forbiddenParts})(?=\\s*[<={]|\\s+extends)`, 'g'),
    ),
    ...all(/\b(?:class|interface|type)\s+I[A-Z][a-z]\w*(?=\s*[<={]|\s+extends)/g),
    ...all(/\bfunction\s+get[A-Z]\w*|\bconst\s+get[A-Z]\w*\s*=\s*(?:async\s*)?\(/g),
    ...all(/^\s+(?:async |#)?get[A-Z]\w*\(.*\{$/gm),
  ];
}

/** `setTimeout` as a wait: allowed only inside a loop that looks again, up to a deadline. */
function sleeps({ path, text }: Source): readonly string[] {
  if (!/\.test\.ts$|\/test\//.test(path)) return [];
  const { code } = scan(text);
  const lines = code.split('\n');
  return lines.flatMap((line, index) => {
    const isWait = /setTimeout\(\s*(?:resolve|done|go|\(\)\s*=>\s*(?:resolve|done)\()/.test(line);
    const isSleep = isWait || /\bawait (?:sleep|delay|setTimeout)\(/.test(line);
    const isPoll =
      isSleep && enclosing(lines, index).some((each) => /^\s*(?:for \((?!const )|while \()/.test(each));
    return isSleep && !isPoll ? [`${index + 1}: sleeps`] : [];
  });
}

/** The lines that open the blocks around a line, by indentation. */
function enclosing(lines: readonly string[], index: number): readonly string[] {
  let indent = lines[index]!.search(/\S/);
  return lines
    .slice(0, index)
    .reverse()
    .filter((line) => {
      const own = line.search(/\S/);
      const isOuter = own >= 0 && own < indent;
      if (isOuter) indent = own;
      return isOuter;
    });
}

function barrelLines({ path, text }: Source): readonly string[] {
  const isEntry = packageEntries().has(path);
  const exports = [...text.matchAll(/^export\s+(?:type\s+)?(?:\*|\{[^}]*\})\s*(?:as \w+ )?from\s/gm)];
  const isStray = basename(path) === 'index.ts' && !isEntry;
  return [
    ...(isStray ? ['1: an index.ts that no package.json names as an entry'] : []),
    ...(isEntry ? [] : exports.map(({ index }) => `${lineAt(text, index)}: exports what another file makes`)),
  ];
}

function packageEntries(): ReadonlySet<string> {
  const entries = ['engine', 'speech'].flatMap((folder) => {
    const { exports = {} } = JSON.parse(readFileSync(`${folder}/package.json`, 'utf8')) as {
      exports?: object;
    };
    return Object.values(exports).map((file) => join(folder, String(file)));
  });
  return new Set(entries);
}

const machinePaths = new RegExp(`(?<![\\w.~-])/(?:${['work', 'farm'].join('|')}|tmp/bash${'_'}jobs)/`);

function eachLine(pattern: RegExp, what: string): (source: Source) => readonly string[] {
  return ({ text }) =>
    text.split('\n').flatMap((line, index) => (pattern.test(line) ? [`${index + 1}: ${what}`] : []));
}

const opening = '// What it is.\n';
const sample = (path: string, text: string): Source => ({ path, text: `${opening}${text}` });
const longBody = 'step();\n'.repeat(maxFunctionLines);

const rules: readonly Rule[] = [
  {
    name: 'rooms import only what the design allows',
    find: importTrouble,
    bad: sample('engine/src/rollout/x.ts', "import { connect } from '../gateway/gateway.ts';\n"),
    good: sample('engine/src/rollout/x.ts', "import type { Evidence } from '../guard/evidence.ts';\n"),
  },
  {
    name: 'clock, timers, chance, files, processes and sockets of the deciding side go through the host',
    find: hostTrouble,
    bad: sample('engine/src/controller/x.ts', 'const at = Date.now();\n'),
    good: sample('engine/src/controller/x.ts', "// Date.now would not do\nconst at = 'Date.now';\n"),
    allowed: {
      'engine/src/controller/repeat.ts': 'of the entry of a process, before there is a controller',
      'engine/src/controller/state-folder.ts': 'of the entry of a process, before there is a controller',
      'engine/src/controller/serve.ts':
        'the entry of a process: it makes the real host and waits for its sockets',
      'engine/src/controller/listeners.ts': 'the sockets of the control address, which no simulation has',
      'engine/src/gateway/serve.ts': 'the entry of a process: it makes the real host',
      'engine/src/gateway/egress/connection.ts': 'the request path: its sockets are the product, not control',
      'engine/src/gateway/egress/upstream.ts': 'the request path: net.isIP is a pure function',
    },
  },
  {
    name: 'a file opens with a comment of at most eight lines',
    find: openingTrouble,
    bad: { path: 'engine/src/x.ts', text: 'export const x = 1;\n' },
    good: sample('engine/src/x.ts', 'export const x = 1;\n'),
  },
  {
    name: 'file names are kebab-case',
    find: ({ path }) => (/^[a-z0-9-]+(\.test|\+api)?\.tsx?$/.test(basename(path)) ? [] : ['1: not kebab']),
    bad: sample('engine/src/routeTable.ts', ''),
    good: sample('engine/src/route-table.test.ts', ''),
  },
  {
    name: `a file has at most ${maxFileLines} lines without a written reason`,
    find: ({ text }) => {
      const lines = text.split('\n').length - 1;
      return lines > maxFileLines ? [`${maxFileLines}: ${lines} lines`] : [];
    },
    bad: sample('engine/src/x.ts', 'step();\n'.repeat(maxFileLines)),
    good: sample('engine/src/x.ts', 'step();\n'.repeat(maxFileLines - 1)),
    allowed: {
      'tidy.test.ts': 'one page of rules with their samples; parts of it would not be read alone',
      'engine/sim/story.ts': 'the seeded script of one simulated rollout, a chain of small acts',
      'engine/src/gateway/egress/connection.ts': 'one connection, whose states share all of its fields',
      'speech/src/local/speechmatics-conversation.ts': 'one conversation, a step a method',
      'engine/src/controller/effects.ts': 'one function for each effect of the machine',
      'engine/src/config-schema.ts': 'every key of crossfade.yaml with its unit and range, in one place',
      'speech/src/session.ts': 'the public face of the package: options, events and verbs of one noun',
      'speech/src/carrier.ts': 'ownership and failure of epochs, which share all of their state',
      'speech/src/epoch.ts': 'one epoch from opening to fence',
    },
  },
  {
    name: `no file has more than ${lastFileLine} lines`,
    find: ({ text }) => (text.split('\n').length - 1 > lastFileLine ? [`${lastFileLine}: too long`] : []),
    bad: sample('engine/src/x.ts', 'step();\n'.repeat(lastFileLine)),
    good: sample('engine/src/x.ts', 'step();\n'.repeat(lastFileLine - 1)),
  },
  {
    name: `no function has more than ${maxFunctionLines} lines`,
    find: longFunctions,
    bad: sample('engine/src/x.ts', `function run(): Promise<void> {\n${longBody}}\n`),
    good: sample('engine/src/x.ts', `describe('all', () => {\n${longBody}});\nclass A {\n${longBody}}\n`),
  },
  {
    name: `no line has more than ${maxColumns} columns, templates aside`,
    find: wideLines,
    bad: sample('engine/src/x.ts', `// ${'wide '.repeat(30)}\n`),
    good: sample('engine/src/x.ts', `const text = \`${'wide '.repeat(30)}\`;\n`),
  },
  {
    name: 'only a package entry exports what other files make',
    find: barrelLines,
    bad: sample('engine/src/api/index.ts', "export * from './plan.ts';\n"),
    good: sample('speech/src/index.ts', "export { Breakers } from './failover.ts';\n"),
  },
  {
    name: 'names say what a thing is',
    find: nameTrouble,
    bad: sample('engine/src/x.ts', 'class RouteManager {}\nfunction getRoute() {}\ntype IRoute = {};\n'),
    good: sample(
      'engine/src/x.ts',
      "import { a, type RawData } from 'ws';\nclass RouteTable {}\nmap.getIn(1);\n",
    ),
    allowed: {
      'engine/src/gateway/egress/fleet.ts': 'FleetService: a service is what Crossfade carries, its own word',
    },
  },
  {
    name: 'there are no default exports',
    find: ({ text }) =>
      eachLine(/^\s*export default\b|\bas default\b/, 'default export')({ path: '', text: scan(text).code }),
    bad: sample('engine/src/x.ts', 'export default function x() {}\n'),
    good: sample('engine/src/x.ts', "const page = 'export default 1';\n"),
  },
  {
    name: 'tests wait for the thing, not for the clock',
    find: sleeps,
    bad: sample('engine/test/x.test.ts', 'await new Promise((resolve) => setTimeout(resolve, 50));\n'),
    good: sample('engine/test/x.ts', 'for (;;) {\n  await new Promise((r) => setTimeout(r, 5));\n}\n'),
    allowed: {
      'engine/test/host-http.test.ts':
        'the server of the test sends its answer in parts, slowly: that is the case',
    },
  },
  {
    name: 'no file names a path of a machine it was written on',
    find: eachLine(machinePaths, 'a path of one machine'),
    bad: { path: 'README.md', text: `see ${['', 'work', 'main'].join('/')}\n` },
    good: { path: 'README.md', text: 'see .crossfade/work/r1 and ./work/ and https://example.org/work/1\n' },
    files: 'all',
  },
];

const tree = filesOfTheTree();

for (const rule of rules) {
  test(rule.name, () => {
    const sources = tree.filter(({ path }) => rule.files === 'all' || /\.tsx?$/.test(path));
    const allowed = new Set(Object.keys(rule.allowed ?? {}));
    const broken = sources.map((source) => ({ path: source.path, lines: rule.find(source) }));
    const wrong = broken.filter(({ path, lines }) => lines.length > 0 && !allowed.has(path));
    const report = wrong.flatMap(({ path, lines }) => lines.map((line) => `${path}:${line}`));
    assert.ok(report.length === 0, `${report.length} places break the rule:\n${report.join('\n')}`);
    const needed = new Set(broken.filter(({ lines }) => lines.length > 0).map(({ path }) => path));
    const stale = [...allowed].filter((path) => !needed.has(path));
    assert.deepEqual(stale, [], 'these exceptions are no longer needed');
  });
}

test('each rule fails on a bad sample and passes a good one', () => {
  for (const { name, find, bad, good } of rules) {
    assert.notDeepEqual(find(bad), [], `nothing found by: ${name}`);
    assert.deepEqual(find(good), [], name);
  }
});

test('the import rule knows types from values and every room', () => {
  const asks: readonly [string, string, boolean, boolean][] = [
    ['controller', 'engine/src/gateway/gateway', false, false],
    ['gateway', 'engine/src/controller/controller', true, false],
    ['gateway', 'engine/src/rollout/split', false, true],
    ['gateway', 'engine/src/rollout/decide', false, false],
    ['rollout', 'engine/src/api/route-table', true, true],
    ['rollout', 'node:fs', false, false],
    ['environment', 'engine/src/controller/controller', true, false],
    ['environment', 'engine/src/backup/backup', false, false],
    ['controller', 'engine/src/backup/backup', false, true],
    ['speech', 'engine/src/api/plan', true, false],
    ['examples', '@crossfade/speech/server', false, true],
  ];
  for (const [from, to, isType, isAllowed] of asks) {
    assert.equal(mayImport(from, to, isType), isAllowed, `${from} → ${to}${isType ? ' (type)' : ''}`);
  }
  assert.ok(isTypeClause('{ type A, type B } from '));
  assert.ok(!isTypeClause('{ type A, b } from '));
});

function filesOfTheTree(): readonly Source[] {
  const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z']);
  const paths = listed
    .toString('utf8')
    .split('\0')
    .filter((path) => path && isText(path));
  return paths.map((path) => ({ path, text: readFileSync(path, 'utf8') }));
}

function isText(path: string): boolean {
  const isThere = statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  return isThere && !/\.(png|ico|wav|woff2|gz)$|package-lock\.json$/.test(path);
}

function lineAt(text: string, index: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at >= 0 && at < index; at = text.indexOf('\n', at + 1)) line++;
  return line;
}

const literal = /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/y;
const regex = /\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])*\/[a-z]*/y;
const beforeRegex = /(?:^|[(,=:[!&|?{};+*%<>~^]|\b(?:return|typeof|case|of|in|await))\s*$/;

function scan(text: string): Scan {
  const code: string[] = [];
  const isTemplate: boolean[] = [];
  /** Depth of braces in each `${` that is open; the empty list is plain code. */
  const nested: number[] = [];
  let at = 0;
  const blank = (count: number, inTemplate: boolean): void => {
    for (const end = at + count; at < end; at++) {
      code.push(text[at] === '\n' ? '\n' : ' ');
      isTemplate.push(inTemplate);
    }
  };
  const template = (): void => {
    const part = /(?:\\[\s\S]|\$(?!\{)|[^`\\$])*/y;
    part.lastIndex = at;
    blank(part.exec(text)?.[0].length ?? 0, true);
    const isHole = text[at] === '$';
    if (isHole) nested.push(0);
    blank(isHole ? 2 : 1, true);
  };
  while (at < text.length) {
    const length = literalLength(text, at, code);
    const top = nested.length - 1;
    if (length > 0) blank(length, false);
    else if (text[at] === '`') {
      blank(1, true);
      template();
    } else if (text[at] === '}' && nested[top] === 0) {
      nested.pop();
      blank(1, true);
      template();
    } else {
      if (top >= 0 && text[at] === '{') nested[top]! += 1;
      if (top >= 0 && text[at] === '}') nested[top]! -= 1;
      code.push(text[at]!);
      isTemplate.push(top >= 0);
      at++;
    }
  }
  return { code: code.join(''), isTemplate };
}

function literalLength(text: string, at: number, code: readonly string[]): number {
  if (!'/\'"'.includes(text[at]!)) return 0;
  literal.lastIndex = at;
  const plain = literal.exec(text)?.[0].length ?? 0;
  if (plain > 0 || text[at] !== '/') return plain;
  regex.lastIndex = at;
  const before = code.slice(-40).join('').trimEnd();
  return beforeRegex.test(before) ? (regex.exec(text)?.[0].length ?? 0) : 0;
}
