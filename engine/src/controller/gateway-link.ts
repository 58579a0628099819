// The controller's words to the gateway over its socket, and back. Every call has a timeout; a gateway that
// does not answer is an `unreachable` error, and whoever calls decides whether to wait.
import { z } from 'zod';
import {
  gatewayState,
  handoverProgress,
  routeTable,
  type GatewayState,
  type HandoverProgress,
  type HandoverRequest,
  type RouteTable,
} from '../api/route-table.ts';
import { apiMismatch, mismatchHint, own, spokenBy, versionHeaders } from '../api/version.ts';
import { sampleFrame, type SampleFrame } from '../api/samples.ts';
import { wishes, type Wish } from '../api/subscriptions.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Host, HostRequest, HostResponse } from '../host.ts';
import type { PublicStatus } from '../api/public-status.ts';

const timeoutMs = 5_000;

export type PushAnswer =
  | { readonly kind: 'in-use'; readonly epoch: number; readonly version: number }
  | { readonly kind: 'conflict'; readonly inUse: RouteTable | undefined }
  | { readonly kind: 'refused'; readonly text: string };

/**
 * Headers of relayed endpoints by release and route; secrets, so never journaled and never in the table.
 * Null: they cannot be read now, the gateway keeps those it has of that release.
 */
export type RelaySecrets = Readonly<
  Record<string, Readonly<Record<string, Readonly<Record<string, string>>>> | null>
>;

export class GatewayLink {
  readonly #host: Host;
  readonly #socketPath: string;

  constructor(host: Host, socketPath: string) {
    this.#host = host;
    this.#socketPath = socketPath;
  }

  async state(): Promise<GatewayState> {
    return gatewayState.parse(JSON.parse((await this.#call('GET', '/v1/state')).body));
  }

  async push(table: RouteTable): Promise<PushAnswer> {
    const answer = await this.#call('PUT', '/v1/table', table);
    if (answer.status === 200) {
      const { epoch, version } = z
        .object({ epoch: z.int(), version: z.int() })
        .parse(JSON.parse(answer.body));
      return { kind: 'in-use', epoch, version };
    }
    if (answer.status !== 409) return { kind: 'refused', text: answer.body.slice(0, 500) };
    const inUse = z.object({ table: routeTable }).safeParse(JSON.parse(answer.body));
    return { kind: 'conflict', inUse: inUse.data?.table };
  }

  async giveSecrets(secrets: RelaySecrets): Promise<void> {
    await this.#expectOk('PUT', '/v1/secrets', secrets);
  }

  async publishStatus(status: PublicStatus): Promise<void> {
    await this.#expectOk('PUT', '/v1/status', status);
  }

  /** A sentence for every user who listens; one id is said once. */
  async tell(id: string, text: string): Promise<void> {
    await this.#expectOk('PUT', '/v1/notices', { id, text });
  }

  /** What people outside have asked for, and taking it off. */
  async wishes(): Promise<Wish[]> {
    return wishes.parse(JSON.parse((await this.#call('GET', '/v1/wishes')).body)).wishes;
  }

  async takenWishes(ids: readonly string[]): Promise<void> {
    await this.#expectOk('DELETE', '/v1/wishes', { ids });
  }

  async startHandover(request: HandoverRequest): Promise<void> {
    await this.#expectOk('POST', '/v1/sessions/handover', request);
  }

  async handoverProgress(id: string): Promise<HandoverProgress> {
    const answer = await this.#call('GET', `/v1/sessions/handover/${encodeURIComponent(id)}`);
    return handoverProgress.parse(JSON.parse(answer.body));
  }

  /** Calls `onFrame` for each sample line until the gateway goes away (rejects) or the signal aborts. */
  samples(onFrame: (frame: SampleFrame) => void, signal: AbortSignal): Promise<void> {
    const request = {
      method: 'GET',
      url: 'http://gateway/v1/samples',
      socketPath: this.#socketPath,
      timeoutMs,
      signal,
    };
    return this.#host.http.lines(request, (line) => {
      const frame = sampleFrame.safeParse(JSON.parse(line));
      if (frame.success) onFrame(frame.data);
    });
  }

  async #expectOk(method: string, path: string, body: unknown): Promise<void> {
    const answer = await this.#call(method, path, body);
    if (answer.status >= 300)
      throw new CrossfadeError('internal', `the gateway refused ${path}: ${answer.body.slice(0, 300)}`);
  }

  async #call(method: string, path: string, body?: unknown): Promise<HostResponse> {
    const url = `http://gateway${path}`;
    const headers = { ...versionHeaders, 'content-type': 'application/json' };
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const answer = await this.#answer({ method, url, headers, ...content });
    const mismatch = apiMismatch(['controller', own], ['gateway', spokenBy(answer.headers)]);
    if (mismatch === undefined) return answer;
    // The gateway serves on with its table: nothing moves until both are of one version.
    throw new CrossfadeError('wrong-version', mismatch, mismatchHint);
  }

  async #answer(request: Pick<HostRequest, 'method' | 'url' | 'headers' | 'body'>): Promise<HostResponse> {
    try {
      return await this.#host.http.request({ ...request, socketPath: this.#socketPath, timeoutMs });
    } catch (cause) {
      throw new CrossfadeError(
        'unreachable',
        `the gateway does not answer: ${errorText(cause)}`,
        'is `crossfade up` running?',
        cause,
      );
    }
  }
}
