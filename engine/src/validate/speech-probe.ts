// A synthetic caller: speaks a known clip through the real path (app → token → plan → route → vendor) at the
// pace of speech, and compares what comes back. It says what it is: `user-agent: crossfade-probe` on each
// request, a cohort key of its own. P1 nothing is measured that was not said: latencies count from the sample
// that ends a word.
import { SpeechSession, type PlanRequest, type SessionPlan, type SessionSummary } from '@crossfade/speech';
import { errorText } from '../errors.ts';
import { wordErrorRate } from './word-error-rate.ts';

const rateHz = 16_000;
const pushMs = 20;
const startMs = 15_000;
const endMs = 20_000;
const planMs = 10_000;
/** Silence after the clip, so that the vendor knows that it is over. */
const tailS = 1.5;

export type ProbeRequest = {
  readonly origin: string;
  readonly planPath: string;
  /** Of somebody who is signed in. */
  readonly headers: Readonly<Record<string, string>>;
  readonly samples: Int16Array;
  /** What is said in it. */
  readonly text: string;
  readonly language?: string;
  /** Moves to the next route of the plan in mid-stream. */
  readonly isHandedOver: boolean;
  /** Its cohort key; one of its own unless told. */
  readonly key?: string;
};

export type ProbeResult = {
  readonly isSynthetic: true;
  readonly session: string;
  readonly release: string;
  readonly routes: readonly string[];
  readonly heard: string;
  /** 0 is right. */
  readonly wordErrorRate: number;
  /** ms of audio from the first sound to the first text of any kind. */
  readonly firstTextMs?: number;
  /** ms of audio from the end of a word to its final, the median. */
  readonly finalMs?: number;
  readonly handover?: { readonly moved: boolean; readonly tookMs: number; readonly error?: string };
  /** A handover was wanted, and the plan has no other route to move to. */
  readonly isAlone?: true;
  readonly troubles: readonly string[];
  /** Samples that nobody answered for. */
  readonly lostSamples: number;
};

/** Rejects when the plan cannot be had or no route opens. */
export async function probe(request: ProbeRequest): Promise<ProbeResult> {
  const plans = new Plans(request);
  const { samples, isHandedOver, language } = request;
  const session = new SpeechSession({
    plan: (previous) => plans.fetch(previous),
    baseUrl: request.origin,
    ...(language !== undefined && { language }),
  });
  const troubles: string[] = [];
  session.on('trouble', ({ kind, route, reason }) => void troubles.push(`${kind} ${route}: ${reason}`));
  const began = performance.now();
  const audioMs = (): number => performance.now() - began;
  let firstText: number | undefined;
  session.on('partial', ({ words }) => void (words.length > 0 && (firstText ??= audioMs())));
  const finalsMs: number[] = [];
  session.on('commit', ({ words }) => {
    const last = words.at(-1);
    if (!last) return;
    firstText ??= audioMs();
    if (last.timing === 'exact') finalsMs.push(audioMs() - last.endS * 1000);
  });
  const { summary, handover } = await whole(session, async () => {
    await opened(session);
    const talk = speak(session, samples);
    const move = isHandedOver ? await moved(session, plans, samples) : undefined;
    await talk;
    return { summary: await ended(session), handover: move };
  });
  const heard = summary.words.filter(({ kind }) => kind === 'word').map(({ text }) => text);
  const finalMs = median(finalsMs);
  const soundMs = (firstSound(samples) / rateHz) * 1000;
  return {
    isSynthetic: true,
    session: summary.session,
    release: session.release,
    routes: summary.epochs.map(({ route }) => route),
    heard: heard.join(' '),
    wordErrorRate: wordErrorRate(request.text, heard.join(' ')),
    ...(firstText !== undefined && { firstTextMs: Math.round(firstText - soundMs) }),
    ...(finalMs !== undefined && { finalMs: Math.round(finalMs) }),
    ...(handover && { handover }),
    ...(isHandedOver && !handover && { isAlone: true as const }),
    troubles,
    lostSamples: summary.ledger.lostSamples,
  };
}

/** Rejects when no route of the plan opens. */
export async function opened(session: SpeechSession): Promise<void> {
  await limited(session.start(), startMs, 'no route opened');
  if (session.state !== 'live') throw new Error('no route opened');
}

export function ended(session: SpeechSession): Promise<SessionSummary> {
  return limited(session.stop(), endMs, 'the last words did not come');
}

/** A call that fails holds nothing open. */
async function whole<T>(session: SpeechSession, call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    session.abandon();
    throw error;
  }
}

/** By the clock, as a microphone does. */
export async function speak(session: SpeechSession, samples: Int16Array): Promise<void> {
  const began = performance.now();
  const all = new Int16Array(samples.length + tailS * rateHz);
  all.set(samples);
  for (let at = 0; at < all.length;) {
    const due = Math.min(all.length, Math.round(((performance.now() - began) / 1000) * rateHz));
    if (due > at) session.push(all.subarray(at, due));
    at = Math.max(at, due);
    await new Promise((resolve) => setTimeout(resolve, pushMs));
  }
}

/** Half way through; nothing where there is no other route. */
async function moved(session: SpeechSession, plans: Plans, samples: Int16Array) {
  if (plans.routeCount < 2) return undefined;
  await new Promise((resolve) => setTimeout(resolve, (samples.length / rateHz) * 500));
  plans.rotate();
  const { moved: isMoved, tookMs, error } = await session.handover({ reason: 'probe', silenceWaitMs: 2_000 });
  return { moved: isMoved, tookMs: Math.round(tookMs), ...(error !== undefined && { error }) };
}

/** The app's plans, with the routes turned round once a handover is wanted. */
export class Plans {
  readonly #request: ProbeRequest;
  readonly #key: string;
  #isRotated = false;
  #routeCount = 0;
  #cookie: string | undefined;

  constructor(request: ProbeRequest) {
    this.#request = request;
    this.#key = request.key ?? `probe-${crypto.randomUUID()}`;
  }

  /** Of the newest plan. */
  get routeCount(): number {
    return this.#routeCount;
  }

  rotate(): void {
    this.#isRotated = true;
  }

  async fetch(previous?: PlanRequest): Promise<SessionPlan> {
    const { origin, planPath } = this.#request;
    this.#cookie ??= await documentCookie(origin, this.#headers());
    const headers = { 'content-type': 'application/json', cookie: this.#cookie, ...this.#headers() };
    const options = { method: 'POST', headers, body: JSON.stringify(previous ?? {}) };
    const answer = await fetch(`${origin}${planPath}`, { ...options, signal: AbortSignal.timeout(planMs) });
    if (!answer.ok) throw new Error(`the session plan answered ${answer.status}`);
    const plan = (await answer.json()) as SessionPlan;
    this.#routeCount = plan.routes.length;
    if (!this.#isRotated) return plan;
    const [first, ...others] = plan.routes;
    return { ...plan, routes: first ? [...others, first] : [] };
  }

  #headers(): Record<string, string> {
    return { 'user-agent': 'crossfade-probe', 'x-crossfade-key': this.#key, ...this.#request.headers };
  }
}

/** What a browser would have been given with the page, beside what is in `headers` already. */
export async function documentCookie(
  origin: string,
  headers: Readonly<Record<string, string>>,
): Promise<string> {
  const asked = { accept: 'text/html', ...headers };
  const answer = await fetch(origin, { headers: asked, signal: AbortSignal.timeout(planMs) });
  await answer.arrayBuffer();
  const cookies = answer.headers.getSetCookie().map((each) => each.split(';')[0]!);
  return [headers['cookie'], ...cookies].filter((each) => each !== undefined).join('; ');
}

/** Where it is no longer silent. */
function firstSound(samples: Int16Array): number {
  const found = samples.findIndex((sample) => Math.abs(sample) > 1_000);
  return found < 0 ? 0 : found;
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
}

async function limited<T>(work: Promise<T>, limitMs: number, text: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${text} within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } catch (error) {
    throw new Error(errorText(error), { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
