// Edits by line and by range change what is meant and nothing else, whatever stands around it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { editPackage } from './edit-json.ts';
import { addVariables, editEnvironment, removePyproject, removeRequirements } from './edit-lines.ts';
import { removeYaml } from './edit-yaml.ts';

const name = fc.stringMatching(/^[A-Z][A-Z0-9_]{0,8}$/);
const line = fc.oneof(
  fc.tuple(name, fc.stringMatching(/^[a-z0-9"'$# ]{0,10}$/)).map(([key, value]) => `${key}=${value}`),
  fc.constantFrom('', '# a comment', '  export X_1 = "y"', 'no assignment'),
);

test('an environment file loses and renames only what is named, line by line', () => {
  fc.assert(
    fc.property(fc.array(line), name, fc.option(name), (lines, from, to) => {
      const text = lines.join('\n');
      const edited = editEnvironment(text, new Map([[from, to ?? undefined]]));
      const isMeant = (each: string): boolean => new RegExp(`^\\s*(?:export\\s+)?${from}\\s*=`).test(each);
      const others = lines.filter((each) => !isMeant(each));
      assert.deepEqual(
        edited.text.split('\n').filter((each) => lines.includes(each) && !isMeant(each)).length >=
          others.length,
        true,
      );
      assert.equal(edited.reasons.length, lines.filter(isMeant).length);
      assert.equal(
        editEnvironment(edited.text, new Map([[from, to ?? undefined]])).reasons.length,
        to === from ? edited.reasons.length : 0,
      );
    }),
  );
});

test('names that are there are not added a second time', () => {
  const once = addVariables('A=1', { A: 'the first', B: 'the second' });
  assert.equal(once.text, 'A=1\n# the second\nB=\n');
  assert.equal(addVariables(once.text, { B: 'again' }).text, once.text);
});

test('Python packages go by name, with extras and versions; their neighbours stay', () => {
  const packages = /^(?:modal|livekit-agents)$/;
  const requirements = 'modal\nmodal-extra==1\nlivekit-agents[x]>=1 # y\n# modal\n-r other.txt\n';
  assert.equal(removeRequirements(requirements, packages).text, 'modal-extra==1\n# modal\n-r other.txt\n');
  const toml = 'dependencies = [\n  "modal>=1",\n  "httpx", # modal\n]\nmodal = "1"\n';
  assert.equal(removePyproject(toml, packages).text, 'dependencies = [\n  "httpx", # modal\n]\n');
});

test('package.json keeps its indentation and order; a second edit changes nothing', () => {
  const text =
    '{\n\t"scripts": {\n\t\t"a": "modal deploy x",\n\t\t"b": "c"\n\t},\n' +
    '\t"dependencies": {\n\t\t"modal": "1",\n\t\t"z": "1"\n\t}\n}\n';
  const edit = {
    remove: /^modal$/,
    add: { y: '2' },
    addDev: {},
    removeScripts: /modal deploy/,
    addScripts: {},
  };
  const once = editPackage(text, edit);
  assert.equal(
    once.text,
    '{\n\t"scripts": {\n\t\t"b": "c"\n\t},\n\t"dependencies": {\n\t\t"z": "1",\n\t\t"y": "2"\n\t}\n}\n',
  );
  assert.equal(editPackage(once.text, edit).text, once.text);
});

test('a workflow loses the lines of a key and of a step, and no other line changes', () => {
  const text =
    'on: {push: {branches: [ main ]}}\njobs:\n  a:\n    env:   # mine\n      MODAL_X: 1\n' +
    '      KEEP: "2"   # yes\n    steps:\n' +
    '      - run: |\n          modal deploy x\n      -   run: npm test\n';
  const edited = removeYaml(text, /^MODAL_/, /modal deploy/);
  assert.equal(
    edited.text,
    'on: {push: {branches: [ main ]}}\njobs:\n  a:\n    env:   # mine\n      KEEP: "2"   # yes\n' +
      '    steps:\n      -   run: npm test\n',
  );
  assert.equal(removeYaml(edited.text, /^MODAL_/, /modal deploy/).text, edited.text);
});
