// Who the client is: the peer of the connection, or what a trusted proxy says about its own peer. C1 nobody
// else's X-Forwarded-* or Forwarded is believed, nor passed on. C2 the client is the last address of the
// chain that is not a trusted proxy itself: what stands before it, the client may have written. C3 at most
// 32 proxies are walked.
import type { Socket } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import { isAddress, type Networks } from '../../networks.ts';

const hopLimit = 32;

export type ClientSide = {
  /** What limits count by; empty when the connection is already gone. */
  readonly address: string;
  /** Between the client and whoever ended its TLS: this gateway, or a trusted proxy. */
  readonly scheme: 'http' | 'https';
  /** The whole chain, for the instance. */
  readonly forwardedFor: string;
  /** The host that the client asked a trusted proxy for. */
  readonly forwardedHost: string | undefined;
};

type Told = { readonly chain: string; readonly scheme: string; readonly host: string };

export function clientSide(request: IncomingMessage, isTrusted: Networks): ClientSide {
  const peer = plainAddress(request.socket.remoteAddress ?? '');
  const scheme = (request.socket as Socket & Partial<TLSSocket>).encrypted ? 'https' : 'http';
  if (!isTrusted(peer)) return { address: peer, scheme, forwardedFor: peer, forwardedHost: undefined };
  const told = toldByProxy(request);
  return {
    address: clientOf(told.chain, peer, isTrusted),
    scheme: told.scheme === 'https' || told.scheme === 'http' ? told.scheme : scheme,
    forwardedFor: told.chain === '' ? peer : `${told.chain}, ${peer}`,
    forwardedHost: told.host || undefined,
  };
}

/** X-Forwarded-* where there is one, else RFC 7239's Forwarded; where several proxies speak, the first. */
function toldByProxy(request: IncomingMessage): Told {
  const one = (name: string) => String(request.headers[`x-forwarded-${name}`] ?? '').trim();
  const told = { chain: one('for'), scheme: firstOf(one('proto')).toLowerCase(), host: firstOf(one('host')) };
  const forwarded = request.headers.forwarded;
  if (forwarded === undefined || told.chain !== '' || told.scheme !== '' || told.host !== '') return told;
  const pairs = [...forwarded.matchAll(/(?:^|[;,])\s*(for|proto|host)=(?:"([^"]*)"|([^;,\s"]*))/gi)];
  const named = (name: string) =>
    pairs.filter((each) => each[1]!.toLowerCase() === name).map((each) => each[2] ?? each[3]!);
  const chain = named('for').map(withoutPort).join(', ');
  return { chain, scheme: (named('proto')[0] ?? '').toLowerCase(), host: named('host')[0] ?? '' };
}

function clientOf(chain: string, peer: string, isTrusted: Networks): string {
  let client = peer;
  for (const hop of chain.split(',').slice(-hopLimit).reverse()) {
    const address = plainAddress(withoutPort(hop.trim()));
    // Not an address (`unknown`, `_hidden`): who spoke to the proxy last is all that is known.
    if (!isAddress(address)) return client;
    client = address;
    if (!isTrusted(address)) return client;
  }
  return client;
}

function firstOf(list: string): string {
  return list.split(',', 1)[0]!.trim();
}

/** `192.0.2.1:80` and `[2001:db8::1]:80` without port and brackets. */
function withoutPort(hop: string): string {
  return hop.replace(/^\[([^\]]*)\](:\d+)?$/, '$1').replace(/^([^:]+):\d+$/, '$1');
}

function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}
