// Where people ask to be told: `/status/subscribe`, and the links of their mails, `/status/confirm` and
// `/status/unsubscribe`. What they ask is kept on the disk until the controller takes it, so it works with
// the controller dead. N1 a link only shows a button: a scanner that opens links confirms nothing. N2 the
// answer is the same whether an address is known or not. G5: 1 000 wishes are kept, 5 a minute from one
// address and 100 from all; beyond it "try later".
import type { IncomingMessage, ServerResponse } from 'node:http';
import { z } from 'zod';
import { readSubscriptionToken, wish, type TokenUse, type Wish } from '../../api/subscriptions.ts';
import { writeDurably, type Host } from '../../host.ts';
import type { Networks } from '../../networks.ts';
import { messagePage } from '../../status/page.ts';
import { clientSide } from './client-side.ts';
import { send } from './own-answer.ts';
import { readBody } from './request-body.ts';
import type { StatusStore } from './status-store.ts';

const bodyLimitBytes = 8 * 1024;
const wishLimit = 1_000;
const minuteMs = 60_000;
const perAddress = 5;
const perMinute = 100;
const paths = ['/status/subscribe', '/status/confirm', '/status/unsubscribe'];
const mailAddress = z.email().max(254);

export type SubscriptionDoorParts = {
  readonly host: Host;
  readonly key: string;
  readonly path: string;
  readonly status: StatusStore;
  readonly trustedProxies: Networks;
};

export class SubscriptionDoor {
  readonly #parts: SubscriptionDoorParts;
  #wishes: readonly Wish[];
  #asked = { minute: 0, all: 0, by: new Map<string, number>() };

  constructor(parts: SubscriptionDoorParts) {
    this.#parts = parts;
    this.#wishes = this.#load();
  }

  get wishes(): readonly Wish[] {
    return this.#wishes;
  }

  taken(ids: readonly string[]): void {
    this.#keep(this.#wishes.filter((each) => !ids.includes(each.id)));
  }

  request(request: IncomingMessage, response: ServerResponse, path: string): boolean {
    if (!paths.includes(path)) return false;
    const use = path.slice('/status/'.length) as TokenUse | 'subscribe';
    if (request.method === 'POST') {
      readBody(request, bodyLimitBytes, (body) => this.#take(request, response, use, body));
      return true;
    }
    const token = new URL(request.url ?? '', 'http://gateway').searchParams.get('t') ?? '';
    if (use === 'subscribe')
      this.#show(response, 200, this.#canMail ? form : 'There is no mail to subscribe to.');
    else if (this.#subscriber(use, token) === undefined) this.#show(response, 403, badLink);
    else this.#show(response, 200, button(use, token));
    return true;
  }

  get #canMail(): boolean {
    return this.#parts.status.current?.canSubscribe === true;
  }

  #take(
    request: IncomingMessage,
    response: ServerResponse,
    use: TokenUse | 'subscribe',
    body: string | undefined,
  ): void {
    const fields = new URLSearchParams(body ?? '');
    const query = new URL(request.url ?? '', 'http://gateway').searchParams;
    const email = mailAddress.safeParse(fields.get('email') ?? '').data?.toLowerCase();
    const subject =
      use === 'subscribe' ? email : this.#subscriber(use, fields.get('t') ?? query.get('t') ?? '');
    if (use === 'subscribe' && !this.#canMail)
      return this.#show(response, 404, 'There is no mail to subscribe to.');
    if (subject === undefined) return this.#show(response, 400, use === 'subscribe' ? badAddress : badLink);
    if (this.#isTooMuch(request)) return this.#show(response, 429, later);
    const { host } = this.#parts;
    const wanted: Wish = { id: host.randomHex(12), at: host.clock.now(), kind: use, subject };
    if (this.#wishes.length >= wishLimit || !this.#keep([...this.#wishes, wanted]))
      return this.#show(response, 503, later);
    this.#show(response, 200, done[use]);
  }

  #subscriber(use: TokenUse, token: string): string | undefined {
    return readSubscriptionToken(this.#parts.key, use, token.slice(0, 300));
  }

  #isTooMuch(request: IncomingMessage): boolean {
    const { host, trustedProxies } = this.#parts;
    const minute = Math.floor(host.clock.monotonic() / minuteMs);
    if (this.#asked.minute !== minute) this.#asked = { minute, all: 0, by: new Map() };
    const { address } = clientSide(request, trustedProxies);
    const own = (this.#asked.by.get(address) ?? 0) + 1;
    this.#asked.by.set(address, own);
    return own > perAddress || ++this.#asked.all > perMinute;
  }

  #show(response: ServerResponse, status: number, body: string): void {
    const { host, status: store } = this.#parts;
    response.setHeader(
      'Content-Security-Policy',
      "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    );
    response.setHeader('Referrer-Policy', 'no-referrer');
    if (status === 429 || status === 503) response.setHeader('Retry-After', '60');
    send(response, status, 'text/html; charset=utf-8', messagePage(store.current, host.clock.now(), body));
  }

  /** Whether it is on the disk. */
  #keep(wanted: readonly Wish[]): boolean {
    try {
      writeDurably(this.#parts.host.files, this.#parts.path, JSON.stringify(wanted));
    } catch {
      // Whoever asked is told to come again.
      return false;
    }
    this.#wishes = wanted;
    return true;
  }

  #load(): readonly Wish[] {
    try {
      return z.array(wish).parse(JSON.parse(this.#parts.host.files.read(this.#parts.path) ?? '[]'));
    } catch {
      // Torn: what was in it is lost, and its people ask again.
      return [];
    }
  }
}

const later = '<p>We cannot take this now. Please try again in a minute.</p>';
const badLink = '<p>This link is not one of ours, or not whole.</p>';
const badAddress = '<p>This is no mail address.</p><p><a href="/status/subscribe">Try again</a></p>';
const done = {
  subscribe: '<p>Please look into your mail: a link there confirms it. Nothing is sent before.</p>',
  confirm: '<p>Thank you. You will hear of incidents and maintenance by mail.</p>',
  unsubscribe: '<p>You will hear nothing more by mail.</p>',
};
const form = `<form method="post"><p><label for="email">Mail address</label></p>
<p><input id="email" name="email" type="email" required maxlength="254" autocomplete="email"></p>
<p><button>Tell me of incidents and maintenance</button></p></form>
<p class="quiet">Used for this alone. Each mail has a link to leave.</p>`;

function button(use: TokenUse, token: string): string {
  const word = use === 'confirm' ? 'Confirm: tell me of incidents' : 'Tell me nothing more';
  const value = token.replace(/[^\w.-]/g, '');
  return `<form method="post"><input type="hidden" name="t" value="${value}"><p><button>${word}</button></p></form>`;
}
