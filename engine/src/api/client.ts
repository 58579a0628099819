// The other end of the control API, for the CLI and programs: one method a view or verb. Errors come back
// as the catalogue's, with the server's message and hint.
import { z } from 'zod';
import { CrossfadeError } from '../errors.ts';
import type { Http } from '../host.ts';
import { policyView, type PolicyView } from './alerts.ts';
import { auditCheck, auditPage, type AuditCheck, type AuditPage } from './audit.ts';
import {
  eventLine,
  logView,
  statusView,
  verbAnswer,
  type EventLine,
  type LogRequest,
  type LogView,
  type StatusView,
  type VerbAnswer,
} from './control.ts';
import { dryAnswer } from './notify.ts';
import { publicStatus, type PublicStatus } from '../api/public-status.ts';
import { answeredError, unanswered } from './answer-errors.ts';
import { flagsView, type FlagView } from './flags.ts';
import { incidentsView, postMortemView, type IncidentsView } from './incidents.ts';
import { kpiView, usageView, type KpiView, type UsageView } from './kpi.ts';
import { probeKeys, type ProbeKeys, type ProbeReport } from './probes.ts';
import { readinessView, type ReadinessView } from './readiness.ts';
import type { ValidationReport } from './records.ts';
import {
  releaseDetail,
  releaseDiff,
  releaseView,
  type ReleaseDetail,
  type ReleaseDiff,
  type ReleaseView,
} from './releases.ts';
import { subscriberAdded, subscribersView, type SubscriberView } from './subscriptions.ts';
import { madeToken, tokenView, type MadeToken, type tokenRequest, type TokenView } from './tokens.ts';
import type { VerbName } from './verb-names.ts';
import { apiMismatch, mismatchHint, own, spokenBy, versionHeaders } from './version.ts';

export type ControlTarget =
  | { readonly kind: 'socket'; readonly path: string }
  | {
      readonly kind: 'url';
      readonly url: string;
      /** Or how to get one, asked before each request. */
      readonly token: string | (() => Promise<string>) | undefined;
      /** A certificate (PEM) to trust besides the system's. */
      readonly ca?: string;
    };

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

  async incidents(): Promise<IncidentsView> {
    return incidentsView.parse(await this.#call('GET', '/v1/incidents'));
  }

  /** In Markdown. */
  async postMortem(incident: string): Promise<string> {
    return postMortemView.parse(await this.#call('GET', `/v1/postmortem/${incident}`)).markdown;
  }

  /** What everybody outside is told now. */
  async publicStatus(): Promise<PublicStatus> {
    return publicStatus.parse(await this.#call('GET', '/v1/public-status'));
  }

  async subscribers(): Promise<SubscriberView[]> {
    return subscribersView.parse(await this.#call('GET', '/v1/subscribers')).subscribers;
  }

  /** The steps of it where it is a dry run. */
  async addSubscriber(
    webhook: string,
    dryRun = false,
  ): Promise<z.infer<typeof subscriberAdded> | { steps: string[] }> {
    const answer = await this.#call('POST', '/v1/subscribers/add', { webhook, dryRun });
    return dryRun ? dryAnswer.parse(answer) : subscriberAdded.parse(answer);
  }

  /** The steps of it where it is a dry run. */
  async removeSubscriber(id: string, dryRun = false): Promise<string[] | undefined> {
    const answer = await this.#call('POST', '/v1/subscribers/remove', { id, dryRun });
    return dryRun ? dryAnswer.parse(answer).steps : undefined;
  }

  async flags(): Promise<FlagView[]> {
    return flagsView.parse(await this.#call('GET', '/v1/flags')).flags;
  }

  /** The decision matrix and its alerts. */
  async policy(): Promise<PolicyView> {
    return policyView.parse(await this.#call('GET', '/v1/policy'));
  }

  /** What stands behind a go-live. */
  async readiness(): Promise<ReadinessView> {
    return readinessView.parse(await this.#call('GET', '/v1/readiness'));
  }

  async probeKeys(): Promise<ProbeKeys['keys']> {
    return probeKeys.parse(await this.#call('GET', '/v1/probe-keys')).keys;
  }

  /** Whether the release is a side of the present rollout, so that the call is evidence. */
  async reportProbe(report: ProbeReport): Promise<boolean> {
    const answer = await this.#call('POST', '/v1/probe', report);
    return z.object({ isEvidence: z.boolean() }).parse(answer).isEvidence;
  }

  async recordValidation(report: ValidationReport): Promise<void> {
    await this.#call('POST', '/v1/validations', report);
  }

  async kpis(windowDays: number): Promise<KpiView> {
    return kpiView.parse(await this.#call('GET', `/v1/kpi?days=${windowDays}`, undefined, 60_000));
  }

  async usage(windowDays: number): Promise<UsageView> {
    return usageView.parse(await this.#call('GET', `/v1/usage?days=${windowDays}`));
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
    const request = { ...(await this.#request('HEAD', `/v1/artifacts/${sha256}`)), timeoutMs: 10_000 };
    const { status } = await this.#http.request(request).catch(this.#unanswered);
    if (status < 300 || status === 404) return status < 300;
    // An answer to HEAD has no body that would say more.
    await this.status();
    throw new CrossfadeError('unreachable', `an unexpected answer, status ${status}`, 'try again');
  }

  /** Streams a packed release; the controller compares its sha256. */
  async giveArtifact(sha256: string, sizeBytes: number, stream: AsyncIterable<Uint8Array>): Promise<void> {
    const { headers, ...request } = await this.#request('PUT', `/v1/artifacts/${sha256}`);
    const about = { ...headers, 'content-type': 'application/gzip', 'content-length': String(sizeBytes) };
    const sent = this.#http.request({ ...request, headers: about, timeoutMs: 15 * 60_000, stream });
    const answer = await sent.catch(this.#unanswered);
    if (answer.status >= 300) throw answeredError(answer.status, answer.body);
  }

  /** `timeoutMs` covers making the release too: git may be slow. */
  async verb(name: VerbName, request: unknown, timeoutMs = 120_000): Promise<VerbAnswer> {
    return verbAnswer.parse(await this.#call('POST', `/v1/${name}`, request, timeoutMs));
  }

  async logs(request: LogRequest): Promise<LogView> {
    const given = Object.entries(request).filter(([, value]) => value !== undefined);
    const query = new URLSearchParams(given.map(([key, value]) => [key, String(value)]));
    return logView.parse(await this.#call('GET', `/v1/logs?${query}`));
  }

  async createToken(request: z.input<typeof tokenRequest>): Promise<MadeToken> {
    return madeToken.parse(await this.#call('POST', '/v1/tokens', request));
  }

  async tokens(): Promise<TokenView[]> {
    return z.object({ tokens: z.array(tokenView) }).parse(await this.#call('GET', '/v1/tokens')).tokens;
  }

  async revokeToken(id: string): Promise<TokenView> {
    return z.object({ view: tokenView }).parse(await this.#call('POST', '/v1/tokens/revoke', { id })).view;
  }

  /** Lines of the audit after an id, oldest first, that are not older than `since` (wall ms). */
  async audit(since: number, after: number): Promise<AuditPage> {
    return auditPage.parse(await this.#call('GET', `/v1/audit?since=${since}&after=${after}`));
  }

  /** Reads both records whole: they may be long. */
  async checkRecords(): Promise<AuditCheck> {
    return auditCheck.parse(await this.#call('GET', '/v1/audit/verify', undefined, 60_000));
  }

  async pageCode(): Promise<string> {
    return z.object({ code: z.string() }).parse(await this.#call('POST', '/v1/codes', {})).code;
  }

  /** Below `/v1/notify`; a test waits for what each channel answers. */
  async notify<T>(answer: z.ZodType<T>, path = '', request?: object): Promise<T> {
    const method = request ? 'POST' : 'GET';
    return answer.parse(await this.#call(method, `/v1/notify${path}`, request, 60_000));
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
      { ...(await this.#request('GET', `/v1/events?after=${after}`)), timeoutMs: 10_000, signal },
      (line) => {
        const parsed = eventLine.safeParse(JSON.parse(line));
        if (parsed.success) onEvent(parsed.data);
      },
    );
  }

  readonly #unanswered = (cause: unknown): never => {
    throw unanswered(cause, this.#target);
  };

  async #request(method: string, path: string) {
    const target = this.#target;
    const headers = { ...versionHeaders, 'content-type': 'application/json' };
    if (target.kind === 'socket')
      return { method, url: `http://control${path}`, socketPath: target.path, headers };
    const { ca } = target;
    const token = typeof target.token === 'function' ? await target.token() : target.token;
    const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const url = new URL(path, target.url).href;
    return { method, url, headers: { ...headers, ...bearer }, ...(ca !== undefined && { ca }) };
  }

  async #call(method: string, path: string, body?: unknown, timeoutMs = 10_000): Promise<unknown> {
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    const request = await this.#request(method, path);
    const answer = await this.#http.request({ ...request, timeoutMs, ...content }).catch(this.#unanswered);
    const mismatch = apiMismatch(['CLI', own], ['controller', spokenBy(answer.headers)]);
    if (mismatch !== undefined) throw new CrossfadeError('wrong-version', mismatch, mismatchHint);
    if (answer.status < 300) return JSON.parse(answer.body);
    throw answeredError(answer.status, answer.body);
  }
}
