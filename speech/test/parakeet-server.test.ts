// The local Modal server behaves as the published example: utterances as text, the tail dropped at END.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { WebSocket as HeaderWebSocket } from 'ws';
import { encodeWords } from '../src/local/coded-word.ts';
import { END_OF_STREAM } from '../src/local/parakeet-conversation.ts';
import { startParakeetServer, type ParakeetServer } from '../src/local/parakeet-server.ts';
import { within } from './deadline.ts';

let server: ParakeetServer;
before(async () => {
  server = await startParakeetServer({ key: 'wk-1', secret: 'ws-1', rate: 20 });
});
after(() => server[Symbol.asyncDispose]());

async function transcribed(samples: Int16Array): Promise<string[]> {
  const socket = new HeaderWebSocket(server.url, { headers: server.headers });
  const texts: string[] = [];
  const ended = new Promise<void>((resolve) => {
    socket.on('message', (bytes, isBinary) => {
      if (!isBinary) texts.push(String(bytes));
      else if (String(bytes) === END_OF_STREAM) resolve();
    });
  });
  await within(new Promise((resolve) => socket.once('open', resolve)), 2000, 'open');
  for (let at = 0; at < samples.length; at += 8000) socket.send(samples.slice(at, at + 8000));
  socket.send(Buffer.from(END_OF_STREAM));
  await within(ended, 3000, 'the echoed marker');
  socket.close();
  return texts;
}

test('an utterance that a second of silence follows is one text frame', async () => {
  const one = encodeWords(['good', 'morning'], { tailMs: 1300 }).samples;
  const two = encodeWords(['how', 'are', 'you'], { tailMs: 1300 }).samples;
  const both = new Int16Array(one.length + two.length);
  both.set(one);
  both.set(two, one.length);
  assert.deepEqual(await transcribed(both), ['good morning', 'how are you']);
});

test('what follows the last silence is dropped at the end', async () => {
  assert.deepEqual(await transcribed(encodeWords(['lost', 'words'], { tailMs: 500 }).samples), []);
});

test('silence alone sends nothing', async () => {
  assert.deepEqual(await transcribed(new Int16Array(48_000)), []);
});

test('a socket without the proxy token is refused with 401', async () => {
  const socket = new HeaderWebSocket(server.url, { headers: { 'Modal-Key': 'wk-1' } });
  const status = new Promise<number | undefined>((resolve) => {
    socket.once('unexpected-response', (_request, response) => resolve(response.statusCode));
  });
  assert.equal(await within(status, 2000, 'a refusal'), 401);
});

test('a socket dies at the lifetime of the function', async () => {
  await using short = await startParakeetServer({ lifetimeMs: 100 });
  const socket = new HeaderWebSocket(short.url, { headers: short.headers });
  await within(new Promise((resolve) => socket.once('close', resolve)), 2000, 'the end of its life');
});

test('the web tier answers status', async () => {
  assert.equal((await fetch(`${server.origin}/status`)).status, 200);
});
