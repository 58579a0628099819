// The voice example carried for real, for tests: local speech servers as child processes, `crossfade up` in
// a folder of its own, r1 on Modal (relayed) and r2 on Speechmatics (direct) of examples/voice, callers and
// echo sockets. Everything it starts is ended by id.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { CallerOptions } from '../../speech/src/local/caller.ts';
import { Stage } from './stage.ts';
import { EchoSocket, Talk } from './voice-talk.ts';

export const repository = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
const serveProgram = fileURLToPath(new URL('../../speech/src/local/serve.ts', import.meta.url));

export type VoiceOptions = {
  /** Seconds of audio per second; 4 unless told. */
  readonly rate?: number;
  readonly recogniser?: 'coded' | 'pocketsphinx';
  /** How long each step of a canary holds; 2s unless told. */
  readonly hold?: string;
};

export type Secrets = { readonly apiKey: string; readonly modalKey: string; readonly modalSecret: string };

/** One local speech server, a process that can be killed. */
export class SpeechServer {
  readonly url: string;
  readonly mintUrl: string;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, url: string, mintUrl: string) {
    this.#child = child;
    this.url = url;
    this.mintUrl = mintUrl;
  }

  static async start(kind: 'speechmatics' | 'parakeet', env: Record<string, string>): Promise<SpeechServer> {
    const child = spawn(process.execPath, [serveProgram, kind], {
      env: { PATH: process.env['PATH'] ?? '', SPEECHMATICS_PORT: '0', PARAKEET_PORT: '0', ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const signal = AbortSignal.timeout(15_000);
    const [line] = (await once(createInterface(child.stdout!), 'line', { signal })) as [string];
    const told = JSON.parse(line) as Record<string, { url: string; mintUrl?: string } | undefined>;
    const { url, mintUrl = '' } = told[kind]!;
    return new SpeechServer(child, url, mintUrl);
  }

  /** As a machine that is gone: no goodbye to anybody. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }
}

export class VoiceStage {
  readonly stage: Stage;
  readonly speechmatics: SpeechServer;
  readonly parakeet: SpeechServer;
  readonly secrets: Secrets;
  readonly rate: number;
  readonly #callers: Talk[] = [];
  readonly #sockets: EchoSocket[] = [];

  private constructor(parts: Pick<VoiceStage, 'stage' | 'speechmatics' | 'parakeet' | 'secrets' | 'rate'>) {
    this.stage = parts.stage;
    this.speechmatics = parts.speechmatics;
    this.parakeet = parts.parakeet;
    this.secrets = parts.secrets;
    this.rate = parts.rate;
  }

  /** Up, with r1 (routes [modal]) serving and r2 (routes [direct, modal]) known. */
  static async open(options: VoiceOptions = {}): Promise<VoiceStage> {
    const { rate = 4, recogniser = 'coded', hold = '2s' } = options;
    const [apiKey, modalKey, modalSecret] = [secret('sm'), secret('wk'), secret('ws')];
    const secrets = { apiKey, modalKey, modalSecret };
    const env = {
      SPEECH_RATE: String(rate),
      SPEECH_RECOGNISER: recogniser,
      SPEECHMATICS_API_KEY: apiKey,
      MODAL_KEY: modalKey,
      MODAL_SECRET: modalSecret,
    };
    const speechmatics = await SpeechServer.start('speechmatics', env);
    const parakeet = await SpeechServer.start('parakeet', env);
    const stage = await Stage.make(configOf(speechmatics.url, parakeet.url, hold));
    const voice = new VoiceStage({ stage, speechmatics, parakeet, secrets, rate });
    try {
      stage.write('voice.env', environmentText(secrets, speechmatics));
      await stage.up();
      await stage.must('deploy', 'full', '--path', repository, '--routes', 'modal');
      await stage.must('releases', '--create', '--path', repository);
      return voice;
    } catch (error) {
      await voice[Symbol.asyncDispose]();
      throw error;
    }
  }

  get origin(): string {
    return `http://127.0.0.1:${this.stage.gatewayPort}`;
  }

  /** A caller who talks from now on; resolves when the conversation is live. */
  async talk(key: string, options: Partial<CallerOptions> = {}): Promise<Talk> {
    const talk = new Talk(this.origin, key, { rate: this.rate, ...options });
    this.#callers.push(talk);
    await talk.begin();
    return talk;
  }

  async talkers(count: number, name: string, options: Partial<CallerOptions> = {}): Promise<Talk[]> {
    const indexes = Array.from({ length: count }, (_, index) => index);
    return Promise.all(
      indexes.map((index) => this.talk(`${name}-${index}`, { seed: index + 1, ...options })),
    );
  }

  async echoSocket(key: string): Promise<EchoSocket> {
    const socket = await EchoSocket.open(this.origin, key);
    this.#sockets.push(socket);
    return socket;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#callers) each.abandon();
    for (const each of this.#sockets) each.close();
    await this.stage[Symbol.asyncDispose]();
    await this.speechmatics.kill();
    await this.parakeet.kill();
  }
}

/** A fresh key of its own. */
export function secret(prefix: string): string {
  return `${prefix}-${randomBytes(16).toString('hex')}`;
}

/** The configuration of the voice example over these speech servers. */
export function configOf(speechmaticsUrl: string, parakeetUrl: string, hold: string): string {
  return `
app: { folder: examples/voice, start: node serve.ts, env: { file: voice.env }, grace: 2s }
health: { path: /api/health, interval: 250ms, ready: 30s }
speech:
  endpoints:
    direct: { type: speechmatics, url: "${speechmaticsUrl}" }
    modal:
      type: modal-parakeet
      url: "${parakeetUrl}"
      via: relay
      headers: { Modal-Key: { env: MODAL_KEY }, Modal-Secret: { env: MODAL_SECRET } }
  routes: [direct, modal]
flags: { SPEECHMATICS_DIRECT: true, MODAL_FALLBACK: true, BLUE_GREEN_TESTING: false }
rollout:
  steps: [{ setWeight: 10, hold: ${hold} }, { setWeight: 25, hold: ${hold} }, { setWeight: 75, hold: ${hold} }]
  bake: 10m
  standby: 10m
guards: { errors: { minUnits: 2 }, latency: { minUnits: 2 } }
`;
}

/** What the app is given: its keys, and where to mint tokens. */
export function environmentText(secrets: Secrets, speechmatics: SpeechServer): string {
  const values = {
    SPEECHMATICS_API_KEY: secrets.apiKey,
    SPEECHMATICS_MINT_URL: speechmatics.mintUrl,
    MODAL_KEY: secrets.modalKey,
    MODAL_SECRET: secrets.modalSecret,
    APP_SECRET: secret('app'),
    VOICE_CONNECT: new URL(speechmatics.url).origin,
  };
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}
