// One TCP or TLS connection to an instance: idle, or busy with exactly one exchange. Its listeners are made
// once. C1 bytes on an idle connection, bytes behind an answer, and an answer before the request was whole
// end it: it is never used again. C2 an exchange ends exactly once: answer, failure, upgrade, or abort by its
// receiver. C3 no timers: the owner calls `tick` each 250 ms and every deadline is a number of ticks.
import * as net from 'node:net';
import * as tls from 'node:tls';
import { cut } from '../cut.ts';
import { ResponseParser, type ParserSink, type ResponseHead } from './response-parser.ts';

export const tickMs = 250;

export type UpstreamFailure = {
  /** The two `-stalled` are the client's doing. */
  readonly kind:
    | 'refused'
    | 'connect-timeout'
    | 'reset'
    | 'bad-answer'
    | 'timeout'
    | 'truncated'
    | 'request-stalled'
    | 'reader-stalled';
  /** Nothing of an answer had come. */
  readonly isBeforeFirstByte: boolean;
  /** The connection had served another exchange before. */
  readonly isReused: boolean;
};

/** Who asked. After `onEnd`, `onFailure` or `onUpgrade` nothing more is called. */
export type Receiver = {
  /** The connection is open and the exchange's: write the request now. */
  onReady(connection: Connection): void;
  onInformational(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  /** False asks for a pause until `resume`. */
  onBody(chunk: Buffer): boolean;
  onEnd(trailers: readonly string[]): void;
  /** The request may be written on. */
  onWritable(): void;
  /** 101: the socket is the receiver's now, paused, with what came behind the head. */
  onUpgrade(head: ResponseHead, socket: net.Socket, rest: Buffer): void;
  onFailure(failure: UpstreamFailure): void;
};

export type Timeouts = {
  readonly connectMs: number;
  /** From the whole request to the head of the answer. */
  readonly headMs: number;
  /** Silence of the client in the middle of a request. */
  readonly requestIdleMs: number;
  /** Silence in the middle of an answer, whoever's. */
  readonly responseIdleMs: number;
  /** How long an idle connection may wait for its next exchange; backends often close theirs after 5 s. */
  readonly poolIdleMs: number;
};

export type Target = {
  readonly host: string;
  readonly port: number;
  readonly tls: tls.ConnectionOptions | undefined;
};

type Phase = 'connecting' | 'idle' | 'waiting' | 'answering' | 'detached' | 'closed';

/** What the pool does with it afterwards. */
export type ConnectionOwner = {
  onIdle(connection: Connection): void;
  onClosed(connection: Connection): void;
};

export class Connection implements ParserSink {
  readonly #socket: net.Socket;
  readonly #parser = new ResponseParser(this);
  readonly #owner: ConnectionOwner;
  readonly #timeouts: Timeouts;
  #phase: Phase = 'connecting';
  #receiver: Receiver | undefined;
  #head: ResponseHead | undefined;
  #hasFirstByte = false;
  #isReused = false;
  #isRequestWhole = false;
  #isPaused = false;
  #idleLimitMs: number;
  #ticks = 0;

  constructor(target: Target, timeouts: Timeouts, owner: ConnectionOwner, receiver: Receiver) {
    this.#owner = owner;
    this.#timeouts = timeouts;
    this.#idleLimitMs = timeouts.poolIdleMs;
    this.#receiver = receiver;
    const address = { host: target.host, port: target.port, allowHalfOpen: true, noDelay: true };
    const socket = target.tls ? tls.connect({ ...target.tls, ...address }) : net.connect(address);
    this.#socket = socket;
    socket.once(target.tls ? 'secureConnect' : 'connect', () => this.#opened());
    socket.on('data', this.#onData);
    socket.on('end', this.#onEndOfInput);
    socket.on('drain', this.#onDrain);
    socket.on('error', this.#onError);
    socket.on('close', this.#onClose);
  }

  /** How long it has been idle, to 250 ms. */
  get idleMs(): number {
    return this.#ticks * tickMs;
  }

  get isUsable(): boolean {
    return this.#phase === 'idle' && !this.#socket.destroyed && !this.#socket.readableEnded;
  }

  /** Starts the next exchange on an idle connection. */
  reuse(receiver: Receiver): void {
    this.#isReused = true;
    this.#receiver = receiver;
    this.#await();
    receiver.onReady(this);
  }

  /** The head of the request; `finish` follows, at once or behind the body. */
  writeHead(head: string, method: string, mayUpgrade: boolean): void {
    this.#parser.begin(method, mayUpgrade);
    this.#socket.write(head, 'latin1');
  }

  /** A part of the body, framing included. False: wait for `onWritable`. */
  write(chunk: Buffer | string): boolean {
    this.#ticks = 0;
    return this.#socket.write(chunk, 'latin1');
  }

  writeChunk(chunk: Buffer): boolean {
    this.#ticks = 0;
    this.#socket.cork();
    this.#socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1');
    this.#socket.write(chunk);
    const hasRoom = this.#socket.write('\r\n', 'latin1');
    this.#socket.uncork();
    return hasRoom;
  }

  /** The request is whole. */
  finish(): void {
    this.#isRequestWhole = true;
    this.#ticks = 0;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#ticks = 0;
    this.#socket.resume();
  }

  /** The receiver gives up; nothing more is called on it. */
  abort(): void {
    this.#receiver = undefined;
    // A mere FIN could be taken for a client that listens on; a reset ends the instance's work.
    if (this.#phase !== 'connecting') cut(this.#socket);
    this.#close();
  }

  close(): void {
    if (this.#phase === 'idle') this.#close();
  }

  tick(): void {
    const waitedMs = ++this.#ticks * tickMs;
    switch (this.#phase) {
      case 'connecting':
        if (waitedMs > this.#timeouts.connectMs) this.#fail('connect-timeout');
        return;
      case 'idle':
        if (waitedMs > this.#idleLimitMs) this.#close();
        return;
      case 'waiting':
        return this.#tickWaiting(waitedMs);
      case 'answering':
        if (waitedMs > this.#timeouts.responseIdleMs)
          this.#fail(this.#isPaused ? 'reader-stalled' : 'truncated');
        return;
      case 'detached':
      case 'closed':
        return;
    }
  }

  onInformational(head: ResponseHead): void {
    this.#receiver?.onInformational(head);
  }

  onHead(head: ResponseHead): void {
    if (this.#phase === 'closed') return;
    this.#head = head;
    this.#phase = 'answering';
    if (head.status !== 101) this.#receiver?.onHead(head);
  }

  onBody(chunk: Buffer): void {
    if (!this.#receiver || this.#receiver.onBody(chunk) || this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }

  onEnd(trailers: readonly string[]): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.onEnd(trailers);
  }

  #opened(): void {
    // The exchange may have been aborted while the connection was being made.
    if (this.#phase !== 'connecting') return;
    this.#await();
    this.#receiver?.onReady(this);
  }

  #await(): void {
    this.#phase = 'waiting';
    this.#ticks = 0;
    this.#hasFirstByte = false;
    this.#isRequestWhole = false;
    this.#head = undefined;
  }

  #tickWaiting(waitedMs: number): void {
    if (this.#isRequestWhole) {
      if (waitedMs > this.#timeouts.headMs) this.#fail('timeout');
      return;
    }
    // A full socket means that the backend does not read; an empty one that the client does not send.
    if (this.#socket.writableNeedDrain) {
      if (waitedMs > this.#timeouts.headMs) this.#fail('timeout');
    } else if (waitedMs > this.#timeouts.requestIdleMs) this.#fail('request-stalled');
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#ticks = 0;
    if (this.#phase !== 'waiting' && this.#phase !== 'answering') return this.#close();
    this.#hasFirstByte = true;
    const outcome = this.#parser.push(chunk);
    if (outcome === 'bad') return this.#fail(this.#head ? 'truncated' : 'bad-answer');
    if (outcome === 'done') this.#answered();
  };

  #answered(): void {
    if ((this.#phase as Phase) === 'closed') return;
    const head = this.#head;
    if (head?.status === 101) return this.#handOver(head);
    const isClean = this.#isRequestWhole && this.#parser.rest.length === 0;
    if (!head?.isKeptAlive || !isClean || this.#socket.readableEnded) return this.#close();
    this.#phase = 'idle';
    this.#ticks = 0;
    // One second less than the backend's own limit, so that it never closes under a request of ours.
    const promisedMs = head.keepAliveSeconds === undefined ? Infinity : head.keepAliveSeconds * 1000 - 1000;
    this.#idleLimitMs = Math.min(this.#timeouts.poolIdleMs, Math.max(promisedMs, tickMs));
    if (this.#isPaused) this.#socket.resume();
    this.#isPaused = false;
    this.#owner.onIdle(this);
  }

  #handOver(head: ResponseHead): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#phase = 'detached';
    const socket = this.#socket;
    socket.pause();
    socket.removeListener('data', this.#onData);
    socket.removeListener('end', this.#onEndOfInput);
    socket.removeListener('drain', this.#onDrain);
    socket.removeListener('error', this.#onError);
    socket.removeListener('close', this.#onClose);
    this.#owner.onClosed(this);
    if (receiver) receiver.onUpgrade(head, socket, this.#parser.rest);
    else socket.destroy();
  }

  readonly #onEndOfInput = (): void => {
    if (this.#phase === 'answering' && this.#parser.finish()) return this.#close();
    this.#failOrClose();
  };

  readonly #onDrain = (): void => this.#receiver?.onWritable();

  readonly #onError = (): void => this.#failOrClose();

  readonly #onClose = (): void => this.#failOrClose();

  #failOrClose(): void {
    if (this.#phase === 'connecting') this.#fail('refused');
    else if (this.#phase === 'waiting') this.#fail('reset');
    else if (this.#phase === 'answering') this.#fail('truncated');
    else this.#close();
  }

  #fail(kind: UpstreamFailure['kind']): void {
    const receiver = this.#receiver;
    this.#receiver = undefined;
    this.#close();
    receiver?.onFailure({ kind, isBeforeFirstByte: !this.#hasFirstByte, isReused: this.#isReused });
  }

  #close(): void {
    if (this.#phase === 'closed' || this.#phase === 'detached') return;
    this.#phase = 'closed';
    this.#socket.destroy();
    this.#owner.onClosed(this);
  }
}
