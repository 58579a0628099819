// The app's ending and its faults: what is in flight is finished, and it misbehaves only when it is told to.
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { startApp, type RunningApp } from './running-app.ts';

const deadlineMs = 8_000;

test('with nothing in flight it exits at once, idle connections or not', async () => {
  await using app = await startApp();
  await (await fetch(`${app.url}/api/health`)).arrayBuffer();
  app.child.kill('SIGTERM');
  assert.equal(await app.ended, 0);
});

test('a request that was accepted is finished before it exits', async () => {
  await using app = await startApp({ VOICE_FAULTS: '1', VOICE_SLOW_MS: '400', CROSSFADE_RELEASE: 'r1' });
  const { asked, answered } = slowRequest(app);
  await asked;
  app.child.kill('SIGTERM');
  assert.deepEqual(await answered, { status: 200, connection: 'close' });
  assert.equal(await app.ended, 0);
});

test('while a WebSocket is open health answers 503 and the process stays', async () => {
  await using app = await startApp();
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/api/echo-socket`);
  const messages: unknown[] = [];
  const first = Promise.withResolvers<void>();
  const second = Promise.withResolvers<void>();
  socket.onmessage = ({ data }) => (messages.push(data) === 1 ? first : second).resolve();
  await first.promise;
  app.child.kill('SIGTERM');
  await healthIs(app, 503);
  socket.send('still here');
  await second.promise;
  assert.equal(messages[1], 'still here');
  socket.close();
  assert.equal(await app.ended, 0);
});

test('half of the echoes fail when told so, and none when faults are not switched on', async () => {
  await using faulty = await startApp({ VOICE_FAULTS: '1', VOICE_FAIL_SHARE: '0.5' });
  await using sound = await startApp({ VOICE_FAIL_SHARE: '0.5' });
  assert.equal(await failuresOf(faulty, 20), 10);
  assert.equal(await failuresOf(sound, 20), 0);
});

async function failuresOf(app: RunningApp, count: number): Promise<number> {
  const asked = Array.from({ length: count }, () => fetch(`${app.url}/api/echo`));
  return (await Promise.all(asked)).filter((response) => response.status === 500).length;
}

/** A request on a connection of its own: `asked` once the server has it, `answered` with how it ended. */
function slowRequest(app: RunningApp) {
  const asked = Promise.withResolvers<void>();
  const answered = Promise.withResolvers<{ status: number | undefined; connection: string | undefined }>();
  const sent = request(`${app.url}/api/echo`, { headers: { expect: '100-continue' } }, (response) => {
    response.resume();
    const { statusCode: status, headers } = response;
    response.on('end', () => answered.resolve({ status, connection: headers.connection }));
  });
  sent.on('continue', () => {
    sent.end();
    asked.resolve();
  });
  sent.on('error', answered.reject);
  sent.flushHeaders();
  return { asked: asked.promise, answered: answered.promise };
}

/** Asks until health answers this, each time on a new connection. */
async function healthIs(app: RunningApp, status: number): Promise<void> {
  const endsAt = performance.now() + deadlineMs;
  for (;;) {
    const response = await fetch(`${app.url}/api/health`, { headers: { connection: 'close' } });
    await response.arrayBuffer();
    if (response.status === status) return;
    if (performance.now() > endsAt) assert.fail(`health stayed ${response.status}`);
  }
}
