// The pages in docs/: what is made from the code is current, every command in them is one that exists with
// the options it is given, and every link leads somewhere. The commands of the README are run one after the
// other in readme.test.ts.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cliPage, configurationPage } from '../../scripts/write-docs.ts';
import { commandTable } from '../src/cli/cli.ts';

const folder = new URL('../../docs', import.meta.url).pathname;
const pages = readdirSync(folder).filter((name) => name.endsWith('.md'));
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

test('the pages that are made from the code are current (`npm run docs`)', () => {
  assert.equal(read('cli.md'), cliPage());
  assert.equal(read('configuration.md'), configurationPage());
});

test('every command in a page exists, with the options it is given', () => {
  const lines = pages.flatMap((name) =>
    [...read(name).matchAll(/```sh\n([^]*?)```/g)].flatMap((match) =>
      match[1]!
        .trim()
        .split('\n')
        .map((line) => ({ name, line })),
    ),
  );
  assert.ok(lines.length > 25, `${lines.length} lines`);
  const program = commandTable(() => undefined);
  for (const { name, line } of lines) {
    const [first, ...words] = line.split(' ');
    assert.equal(first, 'crossfade', `${name}: ${line}`);
    let command = program;
    for (const word of words) command = command.commands.find((each) => each.name() === word) ?? command;
    assert.notEqual(command, program, `${name}: ${line}`);
    const known = [...command.options, ...program.options].map(({ long }) => long);
    for (const option of words.filter((word) => word.startsWith('--')))
      assert.ok(known.includes(option), `${name}: ${line}: ${option}`);
  }
});

test('every link of a page leads somewhere', () => {
  for (const name of pages)
    for (const [, link] of read(name).matchAll(/\]\((?!http)([^)#]+)\)/g))
      assert.ok(existsSync(join(dirname(join(folder, name)), link!)), `${name}: ${link}`);
});
