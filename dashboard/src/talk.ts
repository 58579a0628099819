// How the page speaks to the controller: requests with a bearer, errors with their hint, and server-sent
// events read by fetch, since EventSource sends no bearer. The session is kept in sessionStorage; there
// are no cookies.
import { signal } from '@preact/signals';

const sessionKey = 'crossfade-session';
const answerMs = 10_000;

/** The bearer of this tab: a session for a one-time code, or a token that somebody pasted. */
export const session = signal<string | undefined>(sessionStorage.getItem(sessionKey) ?? undefined);
/** Why there is no session. */
export const closedText = signal('This page needs a session.');

type Problem = { readonly message: string; readonly hint?: string };

export function openSession(bearer: string): void {
  sessionStorage.setItem(sessionKey, bearer);
  session.value = bearer;
}

export function closeSession(why: string): void {
  sessionStorage.removeItem(sessionKey);
  closedText.value = why;
  session.value = undefined;
}

/** GET without a body, POST with one; throws what the controller says, or that nobody answered in time. */
export async function ask<T>(path: string, body?: object): Promise<T> {
  return (await (await send(path, { body, signal: AbortSignal.timeout(answerMs) })).json()) as T;
}

type Sent = { readonly body?: object | undefined; readonly signal: AbortSignal; readonly accept?: string };

async function send(path: string, { body, signal: until, accept }: Sent): Promise<Response> {
  const bearer = session.value;
  const response = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    headers: {
      'content-type': 'application/json',
      ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
      ...(accept !== undefined && { accept }),
    },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: until,
    cache: 'no-store',
  });
  if (response.ok) return response;
  const { error } = (await response.json().catch(() => ({}))) as { error?: Problem };
  const { message, hint } = error ?? { message: `the controller answered ${response.status}` };
  if (response.status === 401 && path.startsWith('/v1/') && session.value === bearer)
    closeSession('The session of this page has ended.');
  throw new Error(hint === undefined ? message : `${message}. ${hint}`);
}

export type Heard = {
  /** Something came, if only the beat of each second. */
  readonly onBeat: () => void;
  readonly onMessage: (text: string, id: string | undefined) => void;
};

/** Reads server-sent events until the stream ends or is aborted; rejects where it does not open. */
export async function listen(path: string, { onBeat, onMessage }: Heard, until: AbortSignal): Promise<void> {
  const { body } = await send(path, { signal: until, accept: 'text/event-stream' });
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    onBeat();
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const field = (name: string): string[] =>
        block
          .split('\n')
          .flatMap((line) => (line.startsWith(`${name}: `) ? [line.slice(name.length + 2)] : []));
      const text = field('data').join('\n');
      if (text !== '') onMessage(text, field('id')[0]);
    }
  }
}
