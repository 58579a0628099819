// The gateway's control side: HTTP over a unix socket that only its owner can open, so there is no further
// login. D1 a body is at most 1 MiB, an answer is always JSON, an error `{ error: { code, message, hint } }`.
// D2 a sample listener that does not read is let go at 1 MiB, so that it cannot fill memory. Decides nothing:
// it calls the store, the brake and the sessions, and says what they say.
import * as http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import {
  handoverRequest,
  override,
  type GatewayState,
  type HandoverProgress,
  type HandoverRequest,
} from '../api/route-table.ts';
import { apiMismatch, mismatchHint, own, spokenBy, versionHeaders, versionsText } from '../api/version.ts';
import type { Host } from '../host.ts';
import type { OverrideAnswer } from './brake.ts';
import type { FrameListener } from './meter.ts';
import { sendJson } from './ingress/own-answer.ts';
import { readBody } from './ingress/request-body.ts';
import type { PushResult } from './route-table.ts';
import { publicStatus, type PublicStatus } from '../api/public-status.ts';
import { takenWishes, type Wish } from '../api/subscriptions.ts';
import { userNotice, type UserNotice } from './ingress/notice-board.ts';

const bodyLimitBytes = 1024 * 1024;
const listenerLimitBytes = 1024 * 1024;
const listenerLimit = 16;

/** Headers of relayed endpoints by release and route name. Never logged, never stored. */
const relayHeaders = z.record(z.string(), z.record(z.string(), z.string()));
/** By release and route; null keeps what is known of that release. */
export const relaySecrets = z.record(z.string(), relayHeaders.nullable());
export type RelaySecrets = z.infer<typeof relaySecrets>;

const overrideRequest = override.partial({ id: true, at: true });
export type OverrideRequest = z.infer<typeof overrideRequest>;

export type ControlCalls = {
  health(): unknown;
  state(): GatewayState;
  push(body: unknown): PushResult;
  override(wanted: OverrideRequest, requestId: string | undefined): OverrideAnswer | undefined;
  listen(listener: FrameListener): () => void;
  handover(wanted: HandoverRequest): HandoverProgress;
  progress(id: string): HandoverProgress | undefined;
  sessions(): unknown;
  giveSecrets(secrets: RelaySecrets): void;
  tell(notice: UserNotice): boolean;
  publish(status: PublicStatus): void;
  wishes(): readonly Wish[];
  takenWishes(ids: readonly string[]): void;
};

type Problem = {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
};

/** A server that is not listening yet. */
export function makeControl(calls: ControlCalls, host: Host): http.Server {
  let listeners = 0;
  const server = http.createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0]!;
    for (const [name, value] of Object.entries(versionHeaders)) response.setHeader(name, value);
    const mismatch = apiMismatch(['controller', spokenBy(request.headers)], ['gateway', own]);
    if (mismatch !== undefined) return sendProblem(response, otherVersion(mismatch));
    if (request.method === 'GET' && path === '/v1/samples') {
      if (listeners >= listenerLimit) return sendProblem(response, tooManyListeners);
      listeners++;
      response.once('close', () => listeners--);
      return streamSamples(calls, response);
    }
    readBody(request, bodyLimitBytes, (body) => {
      const problem = body === undefined ? tooLarge : answer(calls, host, request, response, path, body);
      if (problem) sendProblem(response, problem);
    });
  });
  server.requestTimeout = 30_000;
  return server;
}

function otherVersion(message: string): Problem {
  return { status: 400, code: 'wrong-version', message, hint: mismatchHint };
}

const tooLarge: Problem = { status: 413, code: 'too-large', message: 'the body is larger than 1 MiB' };
const tooManyListeners: Problem = {
  status: 503,
  code: 'too-many',
  message: `there are ${listenerLimit} listeners already`,
};

function answer(
  calls: ControlCalls,
  host: Host,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  body: string,
): Problem | undefined {
  const at = `${request.method} ${path}`;
  switch (at) {
    case 'GET /v1/health':
      return void sendJson(response, 200, calls.health());
    case 'GET /v1/state':
      return void sendJson(response, 200, calls.state());
    case 'GET /v1/sessions':
      return void sendJson(response, 200, calls.sessions());
    case 'PUT /v1/table':
      return withJson(body, z.unknown(), (table) =>
        answerPush(response, calls.push(table), versionsOf(request)),
      );
    case 'POST /v1/overrides':
      return withJson(body, overrideRequest, (wanted) => answerOverride(calls, request, response, wanted));
    case 'POST /v1/sessions/handover':
      return withJson(
        body,
        handoverRequest,
        (wanted) => void sendJson(response, 200, calls.handover(wanted)),
      );
    case 'PUT /v1/secrets':
      return withJson(body, relaySecrets, (secrets) => {
        calls.giveSecrets(secrets);
        sendJson(response, 200, {
          routes: Object.values(secrets).flatMap((each) => Object.keys(each ?? {})).length,
        });
      });
    case 'PUT /v1/notices':
      return withJson(body, userNotice, (notice) => sendJson(response, 200, { isNew: calls.tell(notice) }));
    case 'GET /v1/wishes':
      return void sendJson(response, 200, { wishes: calls.wishes() });
    case 'DELETE /v1/wishes':
      return withJson(body, takenWishes, ({ ids }) => {
        calls.takenWishes(ids);
        sendJson(response, 200, {});
      });
    case 'PUT /v1/status':
      return withJson(body, publicStatus, (status) => {
        calls.publish(status);
        sendJson(response, 200, { at: host.clock.now() });
      });
  }
  const progress = /^GET \/v1\/sessions\/handover\/([^/]+)$/.exec(at);
  if (progress) return answerProgress(calls, response, decoded(progress[1]!));
  return { status: 404, code: 'not-found', message: `there is no ${at}` };
}

/** Parses and checks a body, then acts on it. A message names the place of a wrong value, never the value. */
function withJson<T>(
  body: string,
  schema: z.ZodType<T>,
  act: (value: T) => Problem | undefined | void,
): Problem | undefined {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return { status: 400, code: 'bad-json', message: 'the body is not JSON' };
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success)
    return { status: 400, code: 'invalid', message: z.prettifyError(parsed.error).slice(0, 2_000) };
  return act(parsed.data) ?? undefined;
}

/** Why a field may be unknown here: the two are not of one version. */
function versionsOf(request: IncomingMessage): string {
  return versionsText(['controller', spokenBy(request.headers)], ['gateway', own]);
}

function answerPush(response: ServerResponse, result: PushResult, versions: string): Problem | undefined {
  switch (result.kind) {
    case 'in-use':
      return void sendJson(response, 200, { epoch: result.table.epoch, version: result.table.version });
    case 'conflict': {
      const { epoch, version } = result.table;
      const message = `the table in use is epoch ${epoch} version ${version}`;
      const error = { code: 'conflict', message, hint: 'take the next epoch and push again' };
      return void sendJson(response, 409, { error, epoch, version, table: result.table });
    }
    case 'invalid':
      return { status: 400, code: 'invalid', message: result.text.slice(0, 2_000) + versions };
    case 'unwritable':
      return {
        status: 503,
        code: 'unwritable',
        message: `the table cannot be written: ${result.text}`,
        hint: `${remedyFor(result.text)}; the old table stays in force`,
      };
  }
}

/** What to do about a disk that refused, by the code its text begins with. */
function remedyFor(text: string): string {
  return /^(EROFS|EACCES|EPERM)\b/.test(text)
    ? 'make the state folder writable'
    : 'free space in the state folder';
}

function answerOverride(
  calls: ControlCalls,
  request: IncomingMessage,
  response: ServerResponse,
  wanted: OverrideRequest,
): Problem | undefined {
  const requestId = request.headers['x-request-id'];
  const made = calls.override(wanted, typeof requestId === 'string' ? requestId.slice(0, 100) : undefined);
  if (made) return void sendJson(response, 200, made);
  return {
    status: 503,
    code: 'too-many',
    message: 'there are 1000 overrides',
    hint: 'push a table that ends them',
  };
}

function answerProgress(calls: ControlCalls, response: ServerResponse, id: string): Problem | undefined {
  const progress = calls.progress(id);
  if (!progress) return { status: 404, code: 'not-found', message: `there is no handover ${id}` };
  return void sendJson(response, 200, progress);
}

/** One JSON line a frame, until the listener goes. */
function streamSamples(calls: ControlCalls, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson', 'cache-control': 'no-store' });
  response.flushHeaders();
  const end = calls.listen((frame) => {
    if (response.writableLength > listenerLimitBytes) response.destroy();
    else response.write(`${JSON.stringify(frame)}\n`);
  });
  response.once('close', end);
}

function sendProblem(response: ServerResponse, problem: Problem): void {
  const { status, code, message, hint } = problem;
  if (!response.headersSent) sendJson(response, status, { error: { code, message, ...(hint && { hint }) } });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not an encoding of anything, so it names nothing either.
    return text;
  }
}
