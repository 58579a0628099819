// Environment files as people write them: what is meant changes, every other byte stays, and no value shows.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { addVariables, editEnvironment, environmentValues, maskEnvironment } from './environment-file.ts';

const key = '-----BEGIN KEY-----\nMIIEvQIBADANBg\n-----END KEY-----';
const name = fc.constantFrom('A', 'B', 'C', 'D_1');
const value = fc.oneof(
  fc.stringMatching(/^[a-z0-9$ ]{0,10}$/),
  fc.constantFrom(`"${key}"`, "'two\nlines' # why", '`a\nB=1\n`', '"open', "it's", '"q" x', '"\\"\n"'),
);
const line = fc.oneof(
  fc
    .tuple(fc.constantFrom('', 'export ', '  '), name, value)
    .map(([before, key, text]) => `${before}${key}=${text}`),
  fc.constantFrom('', '# a comment', '#OLD=1', 'no assignment'),
);
const file = fc
  .tuple(fc.array(line), fc.constantFrom('\n', '\r\n'), fc.boolean())
  .map(([lines, end, isEnded]) => lines.join('\n').replaceAll('\n', end) + (isEnded ? end : ''));

test('names that are not meant keep their values, byte for byte, and a second edit changes nothing', () => {
  fc.assert(
    fc.property(file, name, fc.option(name), (text, from, to) => {
      const map = new Map([[from, to ?? undefined]]);
      const once = editEnvironment(text, map);
      const others = (each: string) => environmentValues(each).filter(([key]) => key !== from && key !== to);
      assert.deepEqual(others(once.text), others(text));
      if (to !== from) assert.equal(editEnvironment(once.text, map).reasons.length, 0);
      if (once.reasons.length === 0) assert.equal(once.text, text);
      const isCrlf = (each: string): boolean => !/(?:^|[^\r])\n/.test(each);
      if (isCrlf(text)) assert.ok(isCrlf(once.text));
    }),
  );
});

test('a value over several lines goes with its name, and one that is renamed keeps it', () => {
  const text = `# one\nexport PEM="${key}" # why\r\nB='x\ny'\nPEM2=1\n`;
  assert.equal(editEnvironment(text, new Map([['PEM', undefined]])).text, "# one\nB='x\ny'\nPEM2=1\n");
  const renamed = editEnvironment(
    text,
    new Map([
      ['PEM', 'KEY'],
      ['B', undefined],
    ]),
  );
  assert.equal(renamed.text, `# one\nexport KEY="${key}" # why\r\nPEM2=1\n`);
  assert.deepEqual(
    renamed.reasons.map((each) => each.line),
    [2, 5],
  );
  const open = 'A="not closed\nB=2\n';
  assert.equal(editEnvironment(open, new Map([['B', undefined]])).text, 'A="not closed\n');
});

test('a new name is given once: a placeholder makes way, a value that is there stays', () => {
  const map = new Map([['PUBLIC_KEY', 'KEY']]);
  const edited = (text: string): string => editEnvironment(text, map).text;
  assert.equal(edited('KEY=\nPUBLIC_KEY=abc\n'), 'KEY=abc\n');
  assert.equal(edited('PUBLIC_KEY=abc\nKEY="" # fill me\n'), 'KEY=abc\n');
  assert.equal(edited('KEY=own\nPUBLIC_KEY=abc\n'), 'KEY=own\n');
  assert.equal(edited('KEY=\nPUBLIC_KEY=\n'), 'KEY=\n');
  assert.equal(edited('PUBLIC_KEY=a\nPUBLIC_KEY=b\n'), 'KEY=a\nKEY=b\n', 'the last one wins, as before');
  const both = editEnvironment(
    'ONE=\nTWO=abc\n',
    new Map([
      ['ONE', 'KEY'],
      ['TWO', 'KEY'],
    ]),
  );
  assert.equal(both.text, 'KEY=abc\n');
});

test('a value that refers to a name follows it, or is for a person', () => {
  const map = new Map([
    ['A', 'B'],
    ['GONE', undefined],
  ]);
  const edited = editEnvironment('GONE=1\nURL="x/${A}/$A/$AB"\nRAW=\'$A\'\nLEFT=${GONE}\n', map);
  assert.equal(edited.text, 'URL="x/${B}/$B/$AB"\nRAW=\'$A\'\nLEFT=${GONE}\n');
  assert.deepEqual(edited.left, [{ line: 3, text: 'a value refers to GONE, which is gone' }]);
});

test('names that are there are not added a second time; the endings of the file are kept', () => {
  const once = addVariables('A=1', { A: 'the first', B: 'the second' });
  assert.equal(once.text, 'A=1\n# the second\nB=\n');
  assert.equal(addVariables(once.text, { B: 'again' }).text, once.text);
  assert.equal(addVariables('A=1\r\n', { B: 'why' }).text, 'A=1\r\n# why\r\nB=\r\n');
});

test('no value is shown, wherever it stands', () => {
  const text = [
    '# Speech, for everybody',
    'A=planted-1 # planted-2',
    'export B="planted-3\n  planted-4 # x\n"',
    '# OLD_KEY=planted-5',
    '#export OLD="planted-6"',
    '# token: planted-7',
    '# planted8MIIEvQIBADANBg0',
    '# see postgres://me:planted-9@host',
    'planted-10',
    "C: 'planted-11'",
    'D="planted-12 is not closed',
  ].join('\r\n');
  const masked = maskEnvironment(text);
  assert.doesNotMatch(masked, /planted/);
  assert.match(masked, /^# Speech, for everybody\r\nA=…\r\nexport B=…\n…\n…\r\n# OLD_KEY=…\r\n/);
  assert.equal(masked.split('\n').length, text.split('\n').length);
  assert.equal(masked.replace(/[^\r\n]/g, ''), text.replace(/[^\r\n]/g, ''));
});
