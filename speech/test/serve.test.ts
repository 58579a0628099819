// The local servers as a process: one line says where they are, SIGTERM ends them.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { within } from './deadline.ts';

const program = new URL('../src/local/serve.ts', import.meta.url).pathname;

test('serve prints its addresses as one JSON line, answers there, and ends on SIGTERM', async () => {
  const child = spawn(process.execPath, [program, 'both'], {
    env: { ...process.env, SPEECH_RATE: '4', SPEECHMATICS_API_KEY: 'key-1' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  try {
    const [line] = (await within(once(createInterface(child.stdout), 'line'), 5_000, 'the line')) as [string];
    const told = JSON.parse(line) as {
      speechmatics: { url: string; mintUrl: string; origin: string };
      parakeet: { url: string; origin: string };
    };
    assert.match(told.speechmatics.url, /^ws:.*\/v2$/);
    assert.match(told.parakeet.url, /^ws:.*\/ws$/);
    assert.equal((await fetch(`${told.parakeet.origin}/status`)).status, 200);
    const minted = await fetch(told.speechmatics.mintUrl, {
      method: 'POST',
      headers: { authorization: 'Bearer key-1' },
      body: JSON.stringify({ ttl: 60 }),
    });
    assert.equal(minted.status, 201);
    child.kill('SIGTERM');
    assert.deepEqual(await within(exited, 3_000, 'the end'), [0, null]);
  } finally {
    child.kill('SIGKILL');
  }
});
