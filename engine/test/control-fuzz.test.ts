// Two thousand hostile and nearly right requests; `npm run soak -- fuzz` sends fifty thousand.
import { test } from 'node:test';
import { fuzzControl } from './control-fuzz-run.ts';

test('no request makes the control API fail, change what it must not, or answer but in JSON', async (t) => {
  const figures = await fuzzControl(20_261_123, 2_000);
  t.diagnostic(JSON.stringify(figures));
});
