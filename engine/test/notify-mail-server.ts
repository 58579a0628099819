// A real SMTP server on port 0 (npm smtp-server) that keeps what it took, and may refuse.
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';

type Stream = AsyncIterable<Buffer>;
type Callback = (error?: Error | null) => void;
type SmtpServer = {
  readonly server: { address(): AddressInfo };
  listen(port: number, host: string): void;
  close(done: () => void): void;
  on(event: 'error', listener: (error: Error) => void): void;
};
type Options = {
  readonly authOptional: boolean;
  readonly disabledCommands: readonly string[];
  readonly onAuth: (
    auth: { username: string; password: string },
    session: object,
    done: AuthCallback,
  ) => void;
  readonly onData: (stream: Stream, session: object, done: Callback) => void;
};
type AuthCallback = (error: Error | null, answer?: { user: string }) => void;

// The package has no types.
const { SMTPServer } = createRequire(import.meta.url)('smtp-server') as {
  SMTPServer: new (options: Options) => SmtpServer;
};

export class MailServer {
  readonly mails: string[] = [];
  /** Said instead of taking the next mails. */
  refusal: { readonly code: number; readonly text: string } | undefined;
  readonly #server: SmtpServer;

  private constructor(password: string) {
    this.#server = new SMTPServer({
      authOptional: false,
      disabledCommands: ['STARTTLS'],
      onAuth: (auth, _session, done) => {
        if (auth.username === 'cf' && auth.password === password) done(null, { user: 'cf' });
        else done(Object.assign(new Error(`535 bad credentials ${auth.password}`), { responseCode: 535 }));
      },
      onData: (stream, _session, done) => void this.#take(stream).then(() => done(this.#error()), done),
    });
    this.#server.on('error', () => undefined);
  }

  static async open(password: string): Promise<MailServer> {
    const server = new MailServer(password);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server.server as never, 'listening');
    return server;
  }

  get port(): number {
    return this.#server.server.address().port;
  }

  async #take(stream: Stream): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    if (!this.refusal) this.mails.push(Buffer.concat(chunks).toString('utf8'));
  }

  #error(): Error | null {
    if (!this.refusal) return null;
    return Object.assign(new Error(this.refusal.text), { responseCode: this.refusal.code });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(resolve));
  }
}
