// The other end of the control API, for the CLI and programs: one method a view or verb. Errors come back
// as the catalogue's, with the server's message and hint.
import { z } from 'zod';
import { CrossfadeError, errorText, isErrorCode } from '../errors.ts';
import type { Http } from '../host.ts';
import {
  errorAnswer,
  eventLine,
  statusView,
  verbAnswer,
  type EventLine,
  type StatusView,
  type VerbAnswer,
} from './control.ts';
import {
  releaseDetail,
  releaseDiff,
  releaseView,
  type ReleaseDetail,
  type ReleaseDiff,
  type ReleaseView,
} from './releases.ts';

export type ControlTarget =
  | { readonly kind: 'socket'; readonly path: string }
  | { readonly kind: 'url'; readonly url: string; readonly token: string | undefined };

export type VerbName =
  'deploy' | 'releases' | 'promote' | 'pause' | 'resume' | 'abort' | 'retry' | 'rollback' | 'route';

export class ControlClient {
  readonly #http: Http;
  readonly #target: ControlTarget;

  constructor(http: Http, target: ControlTarget) {
    this.#http = http;
    this.#target = target;
  }

  async status(): Promise<StatusView> {
    return statusView.parse(await this.#call('GET', '/v1/status'));
  }

  async releases(): Promise<ReleaseView[]> {
    return z.object({ releases: z.array(releaseView) }).parse(await this.#call('GET', '/v1/releases'))
      .releases;
  }

  async release(id: string): Promise<ReleaseDetail> {
    return releaseDetail.parse(await this.#call('GET', `/v1/releases/${encodeURIComponent(id)}`));
  }

  async diff(from: string, to: string, isCode: boolean): Promise<ReleaseDiff> {
    const query = new URLSearchParams({ from, to, ...(isCode && { code: 'true' }) });
    return releaseDiff.parse(await this.#call('GET', `/v1/diff?${query}`, undefined, 60_000));
  }

  async hasArtifact(sha256: string): Promise<boolean> {
    const request = { ...this.#request('HEAD', `/v1/artifacts/${sha256}`), timeoutMs: 10_000 };
    const { status } = await this.#http.request(request).catch(notAnswered);
    if (status < 300 || status === 404) return status < 300;
    // An answer to HEAD has no body that would say more.
    await this.status();
    throw new CrossfadeError('unreachable', `an unexpected answer, status ${status}`, 'try again');
  }

  /** Streams a packed release; the controller compares its sha256. */
  async giveArtifact(sha256: string, sizeBytes: number, stream: AsyncIterable<Uint8Array>): Promise<void> {
    const { headers, ...request } = { headers: {}, ...this.#request('PUT', `/v1/artifacts/${sha256}`) };
    const about = { ...headers, 'content-type': 'application/gzip', 'content-length': String(sizeBytes) };
    const sent = this.#http.request({ ...request, headers: about, timeoutMs: 15 * 60_000, stream });
    const answer = await sent.catch(notAnswered);
    if (answer.status >= 300) throw answeredError(answer.status, answer.body);
  }

  /** `timeoutMs` covers making the release too: git may be slow. */
  async verb(name: VerbName, request: unknown, timeoutMs = 120_000): Promise<VerbAnswer> {
    return verbAnswer.parse(await this.#call('POST', `/v1/${name}`, request, timeoutMs));
  }

  async pageCode(): Promise<string> {
    return z.object({ code: z.string() }).parse(await this.#call('POST', '/v1/codes', {})).code;
  }

  /** Stops every instance and the controller. */
  async shutDown(): Promise<void> {
    await this.#call('POST', '/v1/shutdown', {}, 60_000);
  }

  /**
   * Calls `onEvent` for everything after a journal position until the signal aborts or the controller goes
   * away.
   */
  async events(after: number, onEvent: (event: EventLine) => void, signal: AbortSignal): Promise<void> {
    await this.#http.lines(
      { ...this.#request('GET', `/v1/events?after=${after}`), timeoutMs: 10_000, signal },
      (line) => {
        const parsed = eventLine.safeParse(JSON.parse(line));
        if (parsed.success) onEvent(parsed.data);
      },
    );
  }

  #request(method: string, path: string) {
    const target = this.#target;
    if (target.kind === 'socket') return { method, url: `http://control${path}`, socketPath: target.path };
    const url = new URL(path, target.url).href;
    return target.token === undefined
      ? { method, url }
      : { method, url, headers: { authorization: `Bearer ${target.token}` } };
  }

  async #call(method: string, path: string, body?: unknown, timeoutMs = 10_000): Promise<unknown> {
    const { headers, ...request } = { headers: {}, ...this.#request(method, path) };
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await this.#http
      .request({
        ...request,
        headers: { ...headers, 'content-type': 'application/json' },
        timeoutMs,
        ...content,
      })
      .catch(notAnswered);
    if (answer.status < 300) return JSON.parse(answer.body);
    throw answeredError(answer.status, answer.body);
  }
}

function notAnswered(cause: unknown): never {
  const text = `the controller does not answer: ${errorText(cause)}`;
  throw new CrossfadeError('unreachable', text, 'start it with `crossfade up`', cause);
}

function answeredError(status: number, text: string): CrossfadeError {
  let parsed: z.infer<typeof errorAnswer> | undefined;
  try {
    parsed = errorAnswer.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: somebody else answers at this address; said below.
  }
  if (!parsed)
    return new CrossfadeError(
      'unreachable',
      `an unexpected answer, status ${status}`,
      'is this the control address?',
    );
  const { code, message, hint } = parsed.error;
  return new CrossfadeError(isErrorCode(code) ? code : 'internal', message, hint);
}
