// A controller that hangs is told by the process above it, once, and that it is back, once; on a real
// service with a real signed webhook. And the heartbeat by which somebody outside hears that it lives.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { DeadMan } from '../src/cli/dead-man.ts';
import { nodeHost } from '../src/host-node.ts';
import { channelsOf } from '../src/notify/channels.ts';
import { Receiver, webhookReceiver, webhookSecret } from './notify-servers.ts';
import { defaultConfig, Stage } from './stage.ts';

type Body = { type: string; data: { kind: string; severity: string; key: string; resolves?: boolean } };

test('a controller that is silent is told once on each channel, and once that it is back', async (t) => {
  await using receiver = await webhookReceiver();
  await using heart = await Receiver.open((_seen, response) => void response.end('ok'));
  const beat = `notify: { heartbeat: { url: "${heart.url}/beat" } }\n`;
  await using stage = await Stage.make(`${defaultConfig}${beat}`);
  await stage.up();
  await heart.when(({ seen }) => seen.some(({ path }) => path === '/beat'));
  const { pid } = await stage.status();
  const world = { ...nodeHost(), env: { HOOK: webhookSecret }, folder: stage.folder };
  const audit = { webhook: { url: receiver.url, secret: { env: 'HOOK' } } };
  const channels = channelsOf(world, { channels: { audit } }, undefined);
  const said: string[] = [];
  let refusals = 1;
  receiver.misbehave = (_seen, response) => {
    if (refusals-- <= 0) return 'next';
    response.writeHead(503).end();
    return 'done';
  };
  const watch = new DeadMan({
    ...{ service: 'voice', channels: () => channels, say: (text) => void said.push(text) },
    ask: () => withLimit(stage.status(), 300),
    limits: { lookMs: 50, silentMs: 500, againMs: 50 },
  });
  t.after(() => watch.end());
  void watch.run();
  await stage.status();
  process.kill(pid, 'SIGSTOP');
  const kinds = () => receiver.seen.map(({ body }) => (JSON.parse(body) as Body).data.kind);
  try {
    await receiver.when(() => kinds().length >= 2);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await receiver.when(() => kinds().includes('engine-back'));
  assert.deepEqual(kinds(), ['engine-silent', 'engine-silent', 'engine-back'], 'the first was refused');
  const [, silent, back] = receiver.seen.map(({ body }) => (JSON.parse(body) as Body).data);
  assert.deepEqual([silent!.severity, silent!.key, back!.resolves], ['critical', back!.key, true]);
  const ids = receiver.seen.map(({ headers }) => headers['webhook-id']);
  assert.equal(ids[0], ids[1], 'the second try has the id of the first');
  assert.match(said[0]!, /^The controller is silent: no answer since .*crossfade rollback/);
});

function withLimit<T>(asked: Promise<T>, limitMs: number): Promise<T> {
  const late = new Promise<never>((_, reject) =>
    AbortSignal.timeout(limitMs).addEventListener('abort', () => reject(new Error('no answer'))),
  );
  return Promise.race([asked, late]);
}
