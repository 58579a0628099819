// Sends what control-fuzz.ts makes at a real controller and judges each answer: JSON with an error of the
// catalogue, nothing of 500 and above, nobody left waiting. Afterwards the service is as before, the
// controller the same process, and its memory bounded. 2 000 in the tests, 50 000 in the soak.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { isErrorCode } from '../src/errors.ts';
import { auditLines } from './access-shared.ts';
import { ControlFuzz, type Shot } from './control-fuzz.ts';
import { Stage } from './stage.ts';

const answerLimitMs = 10_000;
const lanes = 8;
const tokensMade = 40;
const growthLimitMib = 64;

export type FuzzFigures = {
  readonly shots: number;
  readonly answers: Readonly<Record<string, number>>;
  readonly silent: number;
  /** At the beginning and after each eighth. */
  readonly rssMib: readonly number[];
  readonly auditLines: number;
};

export async function fuzzControl(seed: number, count: number): Promise<FuzzFigures> {
  await using stage = await Stage.make();
  await stage.up();
  const tokens: string[] = [];
  for (let each = 0; each < tokensMade; each++)
    tokens.push((await stage.client.createToken({ name: `lane-${each}`, role: 'operator' })).token);
  const before = await stage.status();
  const fuzz = new ControlFuzz(seed, { host: `127.0.0.1:${stage.controlPort}`, tokens });
  const answers: Record<string, number> = {};
  let [sent, silent] = [0, 0];
  const rss = [rssMib(before.pid)];
  const lane = async (): Promise<void> => {
    while (sent < count) {
      const number = sent++;
      if (sent % Math.ceil(count / 8) === 0) rss.push(rssMib(before.pid));
      const shot = fuzz.next();
      const found = await judged(stage, shot).catch((error: unknown) => {
        throw new Error(
          `seed ${seed}, shot ${number}: ${shot.method} ${shot.path.slice(0, 80)}: ${String(error)}`,
          { cause: `${shot.bytes.subarray(0, 1_000).toString('latin1')}\n${logEnd(stage)}` },
        );
      });
      if (found.length === 0) silent++;
      for (const status of found) answers[status] = (answers[status] ?? 0) + 1;
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  const after = await stage.status().catch((cause: unknown) => {
    throw new Error(`seed ${seed}: no controller after ${sent} shots: ${logEnd(stage)}`, { cause });
  });
  assert.equal(after.pid, before.pid, 'the controller is the same process');
  // Whatever changed has its line: what an answer told of, and what was done for a client that had gone.
  const acts = (await auditLines(stage)).filter(({ outcome }) => outcome === 'allowed');
  const decided = acts.map(({ after: then }) => Number(then?.['position'] ?? 0));
  assert.equal(after.position, Math.max(before.position, ...decided));
  const created = acts.filter(({ target }) => target?.startsWith('create '));
  assert.equal((await stage.client.tokens()).length, created.length);
  assert.ok(
    (await stage.client.releases()).length <= 1,
    'at most the one release that may be made of the folder',
  );
  assert.deepEqual(after.environments, before.environments);
  // Buffers and code warm up first; what grows after that would never end.
  const grown = Math.max(...rss.slice(-2)) - Math.max(...rss.slice(0, 6));
  assert.ok(grown < growthLimitMib, `memory grows: ${rss.join(', ')} MiB`);
  const { audit } = await stage.client.checkRecords();
  assert.equal(audit.brokenAt, undefined);
  assert.doesNotMatch(stage.read('.crossfade/logs/controller.log'), /request-failed/);
  return { shots: count, answers, silent, rssMib: rss, auditLines: audit.rows };
}

function logEnd(stage: Stage): string {
  return stage.read('.crossfade/logs/controller.log').split('\n').slice(-30).join('\n');
}

/** The status of each answer to one shot; none only where nothing that is a request was sent. */
async function judged(stage: Stage, shot: Shot): Promise<number[]> {
  const bytes = await exchange(stage, shot);
  const found: number[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const answer = firstAnswer(rest, shot.method === 'HEAD');
    rest = answer.rest;
    if (answer.status < 200) continue;
    assert.ok(answer.status < 500, `${answer.status}: ${answer.body.slice(0, 300)}`);
    if (answer.status >= 400 && answer.body !== '') {
      const { error } = JSON.parse(answer.body) as { error: { code: string; message: string } };
      assert.ok(isErrorCode(error.code) && error.message !== '', answer.body);
    } else if (answer.status >= 400) assert.equal(shot.method, 'HEAD', `${answer.status} without a body`);
    found.push(answer.status);
  }
  return found;
}

/** Sends everything, closes this half, and reads until the other half is closed; an endless answer is cut. */
function exchange(stage: Stage, { isSocket, bytes }: Shot): Promise<Buffer> {
  const path = join(stage.folder, '.crossfade', 'control.sock');
  const socket = isSocket
    ? connect({ path, allowHalfOpen: true })
    : connect({ port: stage.controlPort, host: '127.0.0.1', allowHalfOpen: true });
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    const late = setTimeout(() => {
      socket.destroy();
      reject(
        new Error(
          `no end of the answer within ${answerLimitMs} ms: ${Buffer.concat(parts).toString('latin1').slice(0, 200)}`,
        ),
      );
    }, answerLimitMs);
    const done = (): void => {
      clearTimeout(late);
      socket.destroy();
      resolve(Buffer.concat(parts));
    };
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      if (part.includes('application/x-ndjson')) done();
    });
    socket.on('end', done);
    // Cut off while we were still sending: what was answered before counts.
    socket.on('error', done);
    socket.end(bytes);
  });
}

type Parsed = { readonly status: number; readonly body: string; readonly rest: Buffer };

function firstAnswer(bytes: Buffer, isHead: boolean): Parsed {
  const end = bytes.indexOf('\r\n\r\n');
  assert.ok(end > 0, `no head: ${bytes.toString('latin1').slice(0, 100)}`);
  const head = bytes.subarray(0, end).toString('latin1');
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  assert.ok(status >= 100, head.slice(0, 100));
  const body = bytes.subarray(end + 4);
  const length = /^content-length: (\d+)$/im.exec(head)?.[1];
  if (status < 200 || isHead) return { status, body: '', rest: isHead ? Buffer.alloc(0) : body };
  if (length !== undefined) {
    const size = Number(length);
    return { status, body: body.subarray(0, size).toString('utf8'), rest: body.subarray(size) };
  }
  if (/^transfer-encoding: chunked$/im.test(head)) return { status, ...unchunked(body) };
  return { status, body: body.toString('utf8'), rest: Buffer.alloc(0) };
}

function unchunked(bytes: Buffer): { body: string; rest: Buffer } {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf('\r\n', at);
    const size = line < 0 ? 0 : Number.parseInt(bytes.subarray(at, line).toString('latin1'), 16);
    assert.ok(size >= 0, `no chunk: ${bytes.subarray(0, 200).toString('latin1')}`);
    if (line < 0 || size === 0) {
      const rest = line < 0 ? Buffer.alloc(0) : bytes.subarray(line + 4);
      return { body: Buffer.concat(parts).toString('utf8'), rest };
    }
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

function rssMib(pid: number): number {
  return Math.round(
    Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024,
  );
}
