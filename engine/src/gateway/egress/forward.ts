// One request on its way to an instance and back: bodies with back-pressure, trailers, 1xx, upgrades,
// failures. F1 an answer that broke off is never made to look whole. F2 a client that went away ends the
// instance's work at once. F3 nothing is sent twice, except a request without body that may be repeated, on a
// reused connection that died before its first byte, once; a refused connection was never sent anything, so
// the next instance is asked. G5: no more is held than one window of each socket.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { ErrorKind } from '../../api/samples.ts';
import type { ClientSide } from '../ingress/client-side.ts';
import { sendRefusal } from '../ingress/own-answer.ts';
import { cut } from '../cut.ts';
import { forwardedHead, refuse, type Refusal, type RequestHead } from '../ingress/request-head.ts';
import { answerHeaders, rawHead, type Additions } from './answer-head.ts';
import type { Connection, Receiver, UpstreamFailure } from './connection.ts';
import { pickUpstream } from './fleet.ts';
import type { Lease } from './lease.ts';
import type { ResponseHead } from './response-parser.ts';
import { splice } from './splice.ts';
import type { Upstream } from './upstream.ts';

const repeatable = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);
const framingNames = new Set(['content-length', 'transfer-encoding', 'connection', 'host', 'trailer']);
const noBytes = Buffer.alloc(0);

export type Errand = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly head: RequestHead;
  readonly client: ClientSide;
  readonly lease: Lease;
  readonly additions: Additions;
  /** What the client sent behind an upgrade request. */
  readonly ahead?: Buffer;
};

export class Forward implements Receiver {
  readonly #errand: Errand;
  readonly #tried: Upstream[] = [];
  #upstream: Upstream | undefined;
  #connection: Connection | undefined;
  #isPumping = false;
  #isRepeated = false;
  #isOver = false;
  #awaitsDrain = false;

  constructor(errand: Errand) {
    this.#errand = errand;
  }

  start(): void {
    this.#errand.response.once('close', () => this.#clientClosed());
    this.#tryNext(refuse(503, 'no-instance', 'no instance of this release is running', 1), 'no-instance');
  }

  onReady(connection: Connection): void {
    this.#connection = connection;
    const { head, request, client, lease } = this.#errand;
    const instance = { url: this.#upstream!.url, isExternal: lease.arm.arm.external };
    connection.writeHead(
      forwardedHead(head, request.rawHeaders, client, instance),
      head.method,
      head.upgrade !== undefined,
    );
    if (head.framing === 'none') connection.finish();
    else this.#pump(connection);
  }

  onInformational(head: ResponseHead): void {
    const { response, request } = this.#errand;
    // 100 was answered in front; HTTP/1.0 knows no 1xx; a queued (pipelined) answer has no socket yet.
    if (head.status === 100 || request.httpVersionMinor === 0 || response.headersSent) return;
    response.socket?.write(rawHead(head), 'latin1');
  }

  onHead(head: ResponseHead): void {
    const { response, request, additions, lease } = this.#errand;
    lease.answered(head.status);
    const mayTrail = head.framing === 'chunked' && request.httpVersionMinor === 1;
    response.sendDate = false;
    response.writeHead(head.status, head.reason, answerHeaders(head, additions, mayTrail));
  }

  onBody(chunk: Buffer): boolean {
    if (this.#errand.response.write(chunk) || this.#awaitsDrain) return !this.#awaitsDrain;
    this.#awaitsDrain = true;
    this.#errand.response.once('drain', () => {
      this.#awaitsDrain = false;
      this.#connection?.resume();
    });
    return false;
  }

  onEnd(trailers: readonly string[]): void {
    const { response, request } = this.#errand;
    if (trailers.length > 0 && request.httpVersionMinor === 1)
      response.addTrailers(pairsOf(trailers) as never);
    this.#over();
    response.end();
  }

  onWritable(): void {
    this.#errand.request.resume();
  }

  onUpgrade(head: ResponseHead, socket: Socket, rest: Buffer): void {
    const { response, lease, additions } = this.#errand;
    const client = response.socket;
    this.#isOver = true;
    lease.answered(101);
    if (!client) {
      socket.destroy();
      return lease.release();
    }
    response.detachSocket(client);
    client.write(rawHead(head, ['X-Crossfade-Release', additions.release]), 'latin1');
    splice(client, socket, { left: this.#errand.ahead ?? noBytes, right: rest }, () => lease.release());
  }

  onFailure(failure: UpstreamFailure): void {
    if (this.#errand.response.headersSent) return this.#breakOff(failure);
    switch (failure.kind) {
      case 'refused':
        this.#upstream?.avoid();
        return this.#tryNext(refuse(503, 'refused', 'no instance accepts connections', 1), 'refused');
      case 'connect-timeout':
        this.#upstream?.avoid();
        return this.#tryNext(refuse(504, 'timeout', 'no instance accepted a connection in time'), 'timeout');
      case 'reset':
        if (this.#mayRepeat(failure)) return this.#repeat();
        return this.#fail(
          refuse(502, 'reset', 'the instance closed the connection without an answer'),
          'reset',
        );
      case 'bad-answer':
      case 'truncated':
        return this.#fail(refuse(502, 'bad-answer', 'the instance answered what is not HTTP/1.1'), 'reset');
      case 'timeout':
        return this.#fail(refuse(504, 'timeout', 'the instance did not answer in time'), 'timeout');
      case 'request-stalled':
      case 'reader-stalled':
        this.#errand.lease.clientGone();
        return this.#refuse(refuse(408, 'request-timeout', 'the request did not arrive in time'));
    }
  }

  /** Asks the next instance that was not asked yet; when none is left, this is how it ends. */
  #tryNext(otherwise: Refusal, kind: ErrorKind): void {
    if (this.#isOver) return;
    const upstream = pickUpstream(this.#errand.lease.arm, this.#tried);
    if (!upstream) return this.#fail(otherwise, kind);
    this.#tried.push(upstream);
    this.#errand.lease.moveTo(upstream);
    this.#ask(upstream, false);
  }

  #ask(upstream: Upstream, isRepeat: boolean): void {
    const { head } = this.#errand;
    this.#upstream = upstream;
    const mustBeNew = isRepeat || head.upgrade !== undefined;
    const mayReuseOld = head.framing === 'none' && repeatable.has(head.method);
    const connection = upstream.open(this, { mayReuseOld, mustBeNew });
    if (connection) this.#connection = connection;
    else this.#fail(refuse(503, 'too-many-requests', 'the instance has too many requests', 1), 'refused');
  }

  #mayRepeat(failure: UpstreamFailure): boolean {
    const { head } = this.#errand;
    const isSafe = head.framing === 'none' && repeatable.has(head.method) && !this.#isRepeated;
    return isSafe && failure.isReused && failure.isBeforeFirstByte;
  }

  #repeat(): void {
    this.#isRepeated = true;
    this.#ask(this.#upstream!, true);
  }

  #pump(connection: Connection): void {
    const { request, head } = this.#errand;
    this.#isPumping = true;
    const isChunked = head.framing === 'chunked';
    request.on('data', (chunk: Buffer) => {
      if (this.#isOver) return;
      if (!(isChunked ? connection.writeChunk(chunk) : connection.write(chunk))) request.pause();
    });
    request.on('end', () => {
      if (this.#isOver) return;
      if (isChunked) connection.write(`0\r\n${trailerText(request.rawTrailers)}\r\n`);
      connection.finish();
    });
  }

  /** The answer had begun: the client must see that it is not whole (F1). */
  #breakOff(failure: UpstreamFailure): void {
    if (failure.kind === 'reader-stalled' || failure.kind === 'request-stalled')
      this.#errand.lease.clientGone();
    else this.#errand.lease.truncated();
    const { response } = this.#errand;
    this.#over();
    // An answer that is ended by closing must be ended by a reset, or it would look whole.
    if (response.socket && response.shouldKeepAlive === false) cut(response.socket);
    else response.destroy();
  }

  #fail(refusal: Refusal, kind: ErrorKind): void {
    this.#errand.lease.failed(kind);
    this.#refuse(refusal);
  }

  #refuse(refusal: Refusal): void {
    this.#over();
    sendRefusal(this.#errand.response, refusal);
  }

  #over(): void {
    this.#isOver = true;
    this.#errand.lease.release();
    // The rest of an upload that nobody reads any more still has to leave the client's connection.
    if (this.#isPumping) this.#errand.request.resume();
  }

  #clientClosed(): void {
    if (this.#isOver) return;
    this.#errand.lease.clientGone();
    this.#connection?.abort();
    this.#over();
  }
}

function pairsOf(trailers: readonly string[]): string[][] {
  const pairs: string[][] = [];
  for (let index = 0; index < trailers.length; index += 2) {
    if (!framingNames.has(trailers[index]!.toLowerCase()))
      pairs.push([trailers[index]!, trailers[index + 1]!]);
  }
  return pairs;
}

function trailerText(raw: readonly string[]): string {
  return pairsOf(raw)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
}
