// Edits of package.json change what is meant and nothing else.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { editPackage } from './edit-json.ts';

const edit = {
  remove: /^modal$/,
  add: { y: '2' },
  addDev: {},
  removeScripts: /modal deploy/,
  addScripts: {},
};

test('package.json keeps its indentation and order; a second edit changes nothing', () => {
  const text =
    '{\n\t"scripts": {\n\t\t"a": "modal deploy x",\n\t\t"b": "c"\n\t},\n' +
    '\t"dependencies": {\n\t\t"modal": "1",\n\t\t"z": "1"\n\t}\n}\n';
  const once = editPackage(text, edit);
  assert.equal(
    once.text,
    '{\n\t"scripts": {\n\t\t"b": "c"\n\t},\n\t"dependencies": {\n\t\t"z": "1",\n\t\t"y": "2"\n\t}\n}\n',
  );
  assert.equal(editPackage(once.text, edit).text, once.text);
});

test('a package.json that cannot be read is left alone and named', () => {
  const text = '{\n  "dependencies": {\n    "modal": "1"\n    "z": "1"\n  }\n}\n';
  const { text: edited, left } = editPackage(text, edit);
  assert.equal(edited, text);
  assert.deepEqual(left, [{ line: 4, text: 'is no JSON' }]);
});
