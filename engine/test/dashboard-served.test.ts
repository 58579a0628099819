// What the control address gives a browser before and after it is let in: the dashboard's files with a policy
// that allows nothing else, who one is, and the events as server-sent events that are resumed.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Me } from '../src/api/me.ts';
import { buildDashboard } from '../../scripts/build-dashboard.ts';
import { askControl, bearer } from './access-shared.ts';
import { Stage } from './stage.ts';

test('the dashboard is served whole, allows nothing of others, and says who one is', async () => {
  await buildDashboard();
  await using stage = await Stage.make();
  await stage.up();
  const page = await askControl(stage, { path: '/' });
  assert.equal(page.status, 200);
  const policy = String(page.headers['content-security-policy']);
  assert.match(policy, /default-src 'self'/);
  assert.doesNotMatch(policy, /unsafe|http|data:/);
  const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map((found) => found[1]!);
  assert.ok(files.length >= 3, page.body);
  for (const path of files) {
    const file = await askControl(stage, { path });
    assert.equal(file.status, 200, path);
    assert.match(String(file.headers['content-type']), /javascript|css|svg/, path);
    // What would ask another origin, a name space of SVG aside.
    assert.doesNotMatch(file.body, /https?:\/\/(?!www\.w3\.org\/)[a-z]/, path);
  }
  for (const path of ['/assets/none.js', '/assets/..%2findex.html', '/assets/../index.html', '/assets/x.exe'])
    assert.equal((await askControl(stage, { path })).status, 404, path);
  assert.equal((await askControl(stage, { path: '/v1/me' })).status, 401);
  const { stdout } = await stage.must('token', 'create', 'wall', '--role', 'viewer', '--json');
  const { token } = JSON.parse(stdout) as { token: string };
  const me = JSON.parse((await askControl(stage, { path: '/v1/me', headers: bearer(token) })).body) as Me;
  assert.deepEqual(me, { name: 'wall', kind: 'token', role: 'viewer', may: ['read'] });

  await stage.must('deploy', 'full');
  const { position } = await stage.status();
  const all = await heard(stage, token, {}, (text) => text.includes(`id: ${position}\n`));
  const ids = [...all.matchAll(/^id: (\d+)$/gm)].map((found) => Number(found[1]));
  assert.deepEqual(
    ids,
    ids.map((_, index) => ids[0]! + index),
  );
  const from = String(ids[2]);
  const rest = await heard(stage, token, { 'last-event-id': from }, (text) => /^:$/m.test(text));
  assert.equal(/^id: (\d+)$/m.exec(rest)?.[1], String(ids[3]));
  assert.match(rest, /^:$/m, 'a beat');

  const begun = Promise.withResolvers<void>();
  const open = heard(stage, token, { 'last-event-id': String(position) }, (text) => {
    if (/^:$/m.test(text)) begun.resolve();
    return false;
  });
  await Promise.race([begun.promise, open]);
  const { tokens } = JSON.parse((await stage.must('token', 'list', '--json')).stdout) as {
    tokens: { id: string }[];
  };
  await stage.must('token', 'revoke', tokens[0]!.id);
  assert.doesNotMatch(await open, /^id:/m, 'it ends without an event that would end it');
});

/** The stream until what is wanted stands in it. */
async function heard(
  stage: Stage,
  token: string,
  headers: Readonly<Record<string, string>>,
  isEnough: (text: string) => boolean,
): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${stage.controlPort}/v1/events`, {
    headers: { ...bearer(token), accept: 'text/event-stream', ...headers },
    signal: AbortSignal.timeout(20_000),
  });
  assert.equal(answer.headers.get('content-type'), 'text/event-stream');
  let text = '';
  for await (const part of answer.body!.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (isEnough(text)) break;
  }
  return text;
}
