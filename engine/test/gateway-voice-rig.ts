// Plans, arms with speech routes, and a client of the session channel, shared by the voice tests.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { WebSocket } from 'ws';
import { planCredential } from '../src/api/plan-credential.ts';
import type { Arm, SpeechRoute } from '../src/api/route-table.ts';
import { arm, ask, key, type Rig } from './gateway-rig.ts';

export const authorization = `Basic ${Buffer.from(`plan:${planCredential(key)}`).toString('base64')}`;
export const direct: SpeechRoute = {
  name: 'direct',
  type: 'speechmatics',
  url: 'wss://sm.example/v2',
  via: 'direct',
};
export const modal: SpeechRoute = {
  name: 'modal',
  type: 'modal-parakeet',
  url: 'ws://127.0.0.1:1',
  via: 'relay',
};
export const backup: SpeechRoute = {
  name: 'backup',
  type: 'modal-parakeet',
  url: 'ws://127.0.0.1:2',
  via: 'relay',
};

export function arms(more: Partial<Arm> = {}): { stable: Arm; candidate: Arm } {
  const stable = arm('blue', 'r1', ['http://127.0.0.1:1'], { routes: [modal] });
  const routes = [direct, modal, backup];
  return {
    stable,
    candidate: arm('green', 'r2', ['http://127.0.0.1:1'], { routes, flagsVersion: 7, ...more }),
  };
}

export async function plan(rig: Rig, body: object): Promise<any> {
  const answer = await ask(
    rig.port,
    '/_crossfade/plan',
    { authorization },
    { method: 'POST', body: JSON.stringify(body) },
  );
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body);
}

/** A client of the session channel that keeps what it was told. */
export class Channel {
  readonly socket: WebSocket;
  readonly told: any[] = [];
  closeCode: number | undefined;
  #wake: (() => void)[] = [];

  constructor(t: TestContext, port: number, hello?: object) {
    this.socket = new WebSocket(`ws://127.0.0.1:${port}/_crossfade/session`);
    this.socket.on('open', () => hello && this.say(hello));
    this.socket.on('message', (message) => this.#note(() => this.told.push(JSON.parse(String(message)))));
    this.socket.on('close', (code) => this.#note(() => (this.closeCode = code)));
    this.socket.on('error', () => undefined);
    t.after(() => this.socket.terminate());
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  async heard(type: string): Promise<any> {
    await this.until(() => this.told.some((each) => each.type === type));
    return this.told.find((each) => each.type === type);
  }

  async closed(): Promise<number> {
    await this.until(() => this.closeCode !== undefined);
    return this.closeCode!;
  }

  async until(holds: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(8_000);
    while (!holds()) {
      if (deadline.aborted) throw new Error(`never held: ${JSON.stringify(this.told)} ${this.closeCode}`);
      await new Promise<void>((resolve) => {
        this.#wake.push(resolve);
        deadline.addEventListener('abort', () => resolve(), { once: true });
      });
    }
  }

  #note(act: () => void): void {
    act();
    for (const wake of this.#wake.splice(0)) wake();
  }
}

export async function join(t: TestContext, rig: Rig, made: any, more: object = {}): Promise<Channel> {
  const { session, release, channelToken: token } = made;
  const channel = new Channel(t, rig.port, {
    type: 'hello',
    token,
    session,
    release,
    route: 'direct',
    ...more,
  });
  assert.equal((await channel.heard('welcome')).session, session);
  return channel;
}
