// What looks like a secret is not shown; names and references to them are.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { patchOf } from './plan.ts';
import { maskLiterals, maskValues, secretValues } from './secret-values.ts';

test('values of environment files are masked in every other text, line by line', () => {
  const change = { path: '.env', before: 'API_KEY="planted-1\nplanted-2"\nMODE=production\n', after: '' };
  const values = secretValues([change]);
  const text = 'failed with planted-1, planted-2 in production';
  assert.equal(maskValues(text, values), 'failed with …, … in production');
});

test('literals beside names that say what they are are masked, references are not', () => {
  for (const [shown, masked] of [
    ['MODAL_TOKEN_SECRET: as-planted', 'MODAL_TOKEN_SECRET: …'],
    ['MODAL_TOKEN_SECRET: "as-planted" # x', 'MODAL_TOKEN_SECRET: "…" # x'],
    [
      'MODAL_TOKEN_SECRET: ${{ secrets.MODAL_TOKEN_SECRET }}',
      'MODAL_TOKEN_SECRET: ${{ secrets.MODAL_TOKEN_SECRET }}',
    ],
    ['"deploy": "API_KEY=planted npm run x"', '"deploy": "API_KEY=… npm run x"'],
    [
      'modal token set --token-id ak-1 --token-secret "as-2"',
      'modal token set --token-id … --token-secret "…"',
    ],
    ['--extra-index-url https://me:planted@host/x', '--extra-index-url https://me:…@host/x'],
    ['const key = process.env.API_KEY;', 'const key = process.env.API_KEY;'],
  ] as const)
    assert.equal(maskLiterals(shown), masked);
});

test('a difference shows no value, of whatever file', () => {
  const paths = ['.env', '.github/workflows/a.yml', 'package.json', 'lib/a.ts'];
  const changes = paths.map((path) => ({
    ...{ path, to: path, mode: 0o644, reasons: [] },
    before: 'API_TOKEN=planted-12345\n# planted-12345\n',
    after: 'TOKEN=planted-12345\n',
  }));
  const patch = patchOf(changes);
  assert.doesNotMatch(patch, /planted/);
  assert.match(patch, /^-API_TOKEN=…\n-# …\n\+TOKEN=…$/m);
});
