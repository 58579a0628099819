// What is known of the service now, as signals: the status each second and after each event, the events
// themselves, and whether all of it is still live. A panel reads what else it needs with `useRead`.
import { batch, effect, signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import type { EventLine, StatusView } from '../../engine/src/api/control.ts';
import type { Me } from '../../engine/src/api/me.ts';
import type { Action } from '../../engine/src/api/roles.ts';
import { ask, closeSession, listen, openSession, session } from './talk.ts';

const statusMs = 1_000;
const tickMs = 250;
/** Two beats of a second were missed, and half a one more for a slow machine. */
const staleMs = 2_500;
const firstEvents = 100;
const maxFeed = 300;
const lastWaitMs = 5_000;

export const status = signal<StatusView | undefined>(undefined);
export const me = signal<Me | undefined>(undefined);
/** Newest first. */
export const feed = signal<readonly EventLine[]>([]);
/** The controller's wall time, ms, four times a second. */
export const now = signal(Date.now());
/** How old what is shown is, ms, where it is not live. */
export const staleForMs = signal<number | undefined>(undefined);

let offsetMs = 0;
let statusAt = 0;
let heardAt = 0;
let visibleAt = 0;
let isAsking = false;
let streaming: AbortController | undefined;
let position: number | undefined;

export function mayI(action: Action): boolean {
  return me.value?.may.includes(action) ?? false;
}

/** Opens the page with the one-time code of its address, or with the session that this tab has. */
export async function start(): Promise<void> {
  const code = location.hash.slice(1);
  if (code !== '' && !code.startsWith('/')) {
    history.replaceState(null, '', location.pathname);
    try {
      openSession((await ask<{ session: string }>('/login', { code })).session);
    } catch (error) {
      if (session.value === undefined) closeSession(`This link did not open a session: ${words(error)}`);
    }
  }
  setInterval(tick, tickMs);
  setInterval(() => void pollStatus(), statusMs);
  document.addEventListener('visibilitychange', () => {
    visibleAt = performance.now();
    void pollStatus();
  });
  effect(() => {
    if (session.value === undefined) return close();
    void open(session.value);
  });
}

function close(): void {
  streaming?.abort();
  position = undefined;
  batch(() => {
    status.value = me.value = staleForMs.value = undefined;
    feed.value = [];
  });
}

async function open(mine: string): Promise<void> {
  // A page that has just been opened is not stale yet.
  heardAt = statusAt = performance.now();
  try {
    me.value = await ask<Me>('/v1/me');
  } catch {
    // Being out of reach is shown by the banner; a refusal has closed the page already.
  }
  await pollStatus();
  void follow(mine);
}

export async function pollStatus(): Promise<void> {
  if (session.value === undefined || isAsking || document.hidden) return;
  isAsking = true;
  try {
    const answer = await ask<StatusView>('/v1/status');
    me.value ??= await ask<Me>('/v1/me');
    statusAt = performance.now();
    offsetMs = answer.at - Date.now();
    status.value = answer;
  } catch {
    // As above.
  } finally {
    isAsking = false;
  }
}

/** Follows the events from where it stopped, for as long as there is this session. */
async function follow(mine: string): Promise<void> {
  let waitMs = 250;
  while (session.value === mine) {
    streaming = new AbortController();
    position ??= Math.max(0, (status.value?.position ?? 0) - firstEvents);
    const onBeat = (): void => {
      heardAt = performance.now();
      waitMs = 250;
    };
    const onMessage = (text: string, id: string | undefined): void => {
      if (id !== undefined) position = Number(id);
      feed.value = [JSON.parse(text) as EventLine, ...feed.value].slice(0, maxFeed);
      void pollStatus();
    };
    await listen(`/v1/events?after=${position}`, { onBeat, onMessage }, streaming.signal).catch(
      () => undefined,
    );
    // A broken stream is followed again from the last position.
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    waitMs = Math.min(waitMs * 2, lastWaitMs);
  }
}

function tick(): void {
  if (session.value === undefined || document.hidden) return;
  const at = performance.now();
  const silentMs = at - Math.max(Math.min(heardAt, statusAt), visibleAt);
  batch(() => {
    now.value = Date.now() + offsetMs;
    staleForMs.value = silentMs > staleMs ? at - statusAt : undefined;
  });
}

export type Read<T> = { readonly value: T | undefined; readonly trouble: string | undefined };

/** Counts up when somebody has changed something here, so that every panel looks again. */
export const changed = signal(0);

/** Reads a view of the controller now and every few seconds while its panel is open. */
export function useRead<T>(path: string | undefined, everyMs = 5_000): Read<T> {
  const [read, setRead] = useState<Read<T> & { readonly path?: string | undefined }>({
    value: undefined,
    trouble: undefined,
  });
  const turn = changed.value;
  useEffect(() => {
    if (path === undefined) return;
    let isOpen = true;
    const look = async (): Promise<void> => {
      if (document.hidden) return;
      try {
        const value = await ask<T>(path);
        if (isOpen) setRead({ value, trouble: undefined, path });
      } catch (error) {
        if (isOpen) setRead((before) => ({ ...before, trouble: words(error) }));
      }
    };
    void look();
    const timer = setInterval(() => void look(), everyMs);
    return () => {
      isOpen = false;
      clearInterval(timer);
    };
  }, [path, everyMs, turn]);
  return read.path === path ? read : { value: undefined, trouble: read.trouble };
}

export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
