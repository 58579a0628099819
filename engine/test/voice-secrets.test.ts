// Vendor secrets stay on the server's side: not in what a client is told, not in the route table, the journal
// or a log, also while vendors fail.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { planOf } from '../../scripts/example-callers.ts';
import type { PlanRequest, SessionPlan } from '../../speech/src/plan.ts';
import { VoiceStage } from './voice-stage.ts';
import { assertComplete, carried, ended, Talk, understood } from './voice-talk.ts';

/** Everything a client is told: the addresses it opens, what comes back, why it is closed. */
class Ear {
  readonly heard: string[] = [];

  socket = (url: string): WebSocket => {
    const socket = new WebSocket(url);
    this.heard.push(url);
    socket.addEventListener('message', ({ data }) => void this.heard.push(String(data)));
    socket.addEventListener('close', ({ reason }) => void this.heard.push(reason));
    return socket;
  };

  /** Tokens are readable text in base64, so what is in them is heard as well. */
  plan(origin: string, key: string): (previous?: PlanRequest) => Promise<SessionPlan> {
    const ask = planOf(origin, key);
    return async (previous) => {
      const plan = await ask(previous);
      const tokens = [plan.channelToken, ...plan.routes.map(({ token }) => token)].join('.').split('.');
      this.heard.push(
        JSON.stringify(plan),
        ...tokens.map((each) => Buffer.from(each, 'base64url').toString()),
      );
      return plan;
    };
  }

  /** Asks for what there is, as somebody with and as somebody without a session. */
  async look(origin: string): Promise<void> {
    const page = await fetch(origin, { headers: { accept: 'text/html' } });
    const cookie = page.headers.getSetCookie().map((each) => each.split(';')[0]);
    this.heard.push(await page.text(), ...page.headers.getSetCookie());
    const paths = [
      'api/health',
      'api/echo',
      'api/session-plan',
      'api/speechmatics-token',
      'status',
      'main.ts',
    ];
    const own = ['_crossfade/plan', '_crossfade/relay/modal', '_crossfade/session', '.env', 'voice.env'];
    for (const path of [...paths, ...own]) {
      for (const [method, headers] of [
        ['GET', {}],
        ['POST', {}],
        ['POST', { cookie: cookie.join('; ') }],
      ] as const) {
        const answer = await fetch(`${origin}/${path}`, { method, headers });
        this.heard.push(JSON.stringify([...answer.headers]), await answer.text());
      }
    }
  }
}

/** All that a folder holds, its links not followed. */
function contentsOf(folder: string): { path: string; text: string }[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((each) => each.isFile());
  return files.map(({ parentPath, name }) => {
    const path = join(parentPath, name);
    return { path, text: readFileSync(path, 'latin1') };
  });
}

test('vendor secrets reach no client, no table, no journal, no log and no command line', async () => {
  await using voice = await VoiceStage.open();
  const { stage, origin } = voice;
  await stage.must('deploy', 'full', '--release', 'r2');
  const ear = new Ear();
  const talk = await voice.talk('caller', { plan: ear.plan(origin, 'caller'), webSocket: ear.socket });
  await carried([talk], 'direct', 'r2');
  await understood([talk]);
  await stage.must('route', 'use', 'modal');
  await carried([talk], 'modal', 'r2');
  await understood([talk]);
  await ear.look(origin);
  assertComplete([talk], await ended([talk]));

  // Failures are where secrets leak: no vendor answers any more, for tokens, sockets and the relay alike.
  await voice.speechmatics.kill();
  await voice.parakeet.kill();
  await ear.look(origin);
  const options = { plan: ear.plan(origin, 'stranded'), webSocket: ear.socket, rate: voice.rate };
  const { session } = new Talk(origin, 'stranded', options).caller;
  await session.start();
  assert.equal(session.state, 'buffering');
  await session.stop();
  assert.ok(ear.heard.includes('the vendor cannot be reached'), ear.heard.join('\n'));

  const views = [['status', '--json'], ['releases', '--json'], ['logs'], ['doctor'], ['plan', 'full']];
  for (const view of views) ear.heard.push(JSON.stringify(await stage.cli(...view)));
  ear.heard.push((await stage.run('ps', ['-eo', 'args'])).stdout, JSON.stringify(await stage.events()));
  const kept = contentsOf(join(stage.folder, '.crossfade'));
  for (const name of ['gateway-table.json', 'crossfade.db', 'logs'])
    assert.ok(
      kept.some(({ path }) => path.includes(name)),
      `${name} is not there to be searched`,
    );
  for (const [name, value] of Object.entries(voice.secrets)) {
    assert.ok(stage.read('voice.env').includes(value));
    assert.deepEqual(
      kept.filter(({ text }) => text.includes(value)).map(({ path }) => path),
      [],
      name,
    );
    assert.deepEqual(
      ear.heard.filter((text) => text.includes(value)),
      [],
      name,
    );
  }
});
