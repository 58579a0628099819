// A workflow loses keys and steps, and no other byte changes; what cannot be taken out is for a person.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { editWorkflow } from './edit-workflow.ts';
import { modalToSpeechmatics } from './recipes/modal-to-speechmatics.ts';

const renames = new Map([['PUBLIC_KEY', 'KEY']]);
const edit = { ...modalToSpeechmatics.workflows!, renames };

/** Also that a second edit changes nothing. */
function edited(text: string) {
  const found = editWorkflow(text, edit);
  assert.equal(editWorkflow(found.text, edit).text, found.text, 'again');
  return { text: found.text, left: found.left.map(({ line }) => line) };
}

test('lines of keys and of steps that only call Modal go; comments and spaces elsewhere stay', () => {
  const text = `on: {push: {branches: [ main ]}}
jobs:
  a:
    env:   # mine
      MODAL_TOKEN_ID: 1
      KEEP: "2"   # yes
      MODAL_FALLBACK: "true"

    steps:
      # first
      - run: |
          set -e
          echo "deploying"
          python -m pip install --upgrade pip
          pip install -q "modal>=1"
          python -m modal deploy \\
            --name x agent.py && modal app list

      -   run: npm test
      - name: Deploy
        env: { MODAL_TOKEN_ID: 1 }
        run: modal run agent.py
`;
  assert.deepEqual(edited(text), {
    text: `on: {push: {branches: [ main ]}}
jobs:
  a:
    env:   # mine
      KEEP: "2"   # yes
      MODAL_FALLBACK: "true"

    steps:
      # first

      -   run: npm test
`,
    left: [],
  });
});

test('CRLF stays CRLF', () => {
  const text = 'jobs:\r\n  a:\r\n    steps:\r\n      - run: modal deploy x\r\n      - run: npm test\r\n';
  assert.equal(edited(text).text, text.replace('      - run: modal deploy x\r\n', ''));
});

test('a step with other commands stays and is named; so is a job that would have no step', () => {
  for (const run of [
    'modal deploy x && npm test',
    'if true; then modal deploy x; fi',
    'pip install modal requests',
  ]) {
    const text = `jobs:\n  a:\n    steps:\n      - run: ${run}\n      - run: npm test\n`;
    assert.deepEqual(edited(text), { text, left: [4] }, run);
  }
  const alone = 'jobs:\n  a:\n    steps:\n      - uses: actions/checkout@v4\n      - run: modal deploy x\n';
  assert.deepEqual(edited(alone), { text: alone, left: [5] });
  const used = `jobs:\n  a:\n    steps:\n      - id: m\n        run: modal deploy x\n      - run: echo \${{ steps.m.outputs.url }}\n`;
  assert.deepEqual(edited(used), { text: used, left: [5] });
});

test('a key goes from a flow map and from the first line of a step, and takes nothing with it', () => {
  const text = `jobs:
  a:
    env: { MODAL_TOKEN_ID: a, KEEP: b, MODAL_TOKEN_SECRET: c }
    steps:
      - env:
          MODAL_TOKEN_ID: x
        run: npm test
      - env:
          TOKEN: \${{ secrets.MODAL_TOKEN_ID }}
        run: npm run lint
`;
  const { text: after, left } = edited(text);
  assert.match(after, /^ {4}env: \{ KEEP: b ?\}$/m);
  assert.match(after, /^ {6}- run: npm test$/m);
  assert.deepEqual(left, [7]);
});

test('an anchor that is still used stays with its entry; other anchors do not matter', () => {
  const used = `jobs:
  a:
    env:
      MODAL_TOKEN_ID: &id x
      OTHER: *id
    steps: &steps
      - run: modal deploy x
      - run: &test npm test
      - run: *test
  b:
    steps: *steps
`;
  assert.deepEqual(edited(used), {
    text: used.replace('      - run: modal deploy x\n', ''),
    left: [4],
  });
});

test('a variable gets its new name once in a map; its secret is named', () => {
  const text = `env:
  KEY: a
  PUBLIC_KEY: b
jobs:
  a:
    env:
      PUBLIC_KEY: \${{ secrets.PUBLIC_KEY }} # here
`;
  const { text: after, left } = edited(text);
  assert.equal(after, 'env:\n  KEY: a\njobs:\n  a:\n    env:\n      KEY: ${{ secrets.KEY }} # here\n');
  assert.deepEqual(left, [6]);
});

test('what is no YAML is left alone and named', () => {
  const text = 'a: [\n  - run: modal deploy x\n';
  assert.deepEqual(edited(text), { text, left: [2] });
});
