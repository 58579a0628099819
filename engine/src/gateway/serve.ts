// The gateway as a process: arguments in, one JSON line out when it listens, signals, exit codes. `kill -9`
// and a new start bring back the persisted table at once (G4). A socket file is taken over only if nobody
// answers on it. Arguments: `--state FOLDER --listen HOST:PORT [--trust-proxy NETWORK,…] [--tls-cert FILE
// --tls-key FILE] [--drain MS]`, or CROSSFADE_STATE, CROSSFADE_LISTEN, CROSSFADE_TRUST_PROXY. SIGHUP looks
// at the certificate now. Exit 3: the port, the state folder or the certificate is not to be had. The
// supervisor is `crossfade up`.
import { chmodSync } from 'node:fs';
import type { Server } from 'node:http';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import {
  CertificateWatch,
  readCertificate,
  type Certificate,
  type CertificateFiles,
} from '../certificate.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Host } from '../host.ts';
import { writeDurably } from '../host.ts';
import { nodeHost } from '../host-node.ts';
import { isNetwork } from '../networks.ts';
import { DataPlane } from './data-plane.ts';

/** From SIGTERM on, for what is under way; the supervisor's own limit must be longer. */
const usualDrainMs = 5_000;

type Settings = {
  readonly stateFolder: string;
  readonly hostname: string;
  readonly port: number;
  readonly trustedProxies: readonly string[];
  readonly tls: CertificateFiles | undefined;
  readonly drainMs: number;
};

async function serve(): Promise<void> {
  const host = nodeHost();
  const settings = readSettings();
  const socketPath = `${settings.stateFolder}/gateway.sock`;
  host.files.makeFolder(settings.stateFolder);
  await refuseSecond(host, socketPath);
  const key = sharedKey(host, `${settings.stateFolder}/gateway.key`);
  const { stateFolder, trustedProxies, tls } = settings;
  const certificate = tls && readCertificate(host.files, tls);
  const plane = new DataPlane({
    host,
    stateFolder,
    key,
    trustedProxies,
    ...(certificate && { certificate }),
  });
  await listen(plane.ingress, { port: settings.port, host: settings.hostname, backlog: 1_024 });
  host.files.remove(socketPath);
  await listenPrivately(plane.control, socketPath);
  const address = plane.ingress.address();
  const port = typeof address === 'object' && address ? address.port : settings.port;
  say('gateway-listening', { host: settings.hostname, port, socket: socketPath, pid: process.pid });
  if (plane.problem !== undefined) say('gateway-without-table', { reason: plane.problem });
  const watch = tls && certificate && watchCertificate(host, plane, tls, certificate);
  // Without a certificate there is nothing to look at; the signal's default would end the gateway.
  process.on('SIGHUP', () => watch?.check());
  let isEnding = false;
  const end = (signal: string) => {
    if (isEnding) return;
    isEnding = true;
    watch?.close();
    const closed = plane.close(settings.drainMs);
    // Said when nothing is accepted any more, so that whoever reads it can rely on it.
    say('gateway-ending', { signal });
    void closed.then((cut) => {
      say('gateway-ended', { cut });
      process.exit(0);
    });
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
}

function readSettings(): Settings {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    options: {
      ...{ state: text, listen: text, 'trust-proxy': text, 'tls-cert': text, 'tls-key': text },
      drain: text,
    },
  });
  const address = values.listen ?? process.env['CROSSFADE_LISTEN'] ?? '127.0.0.1:8080';
  const match = /^(.+):(\d{1,5})$/.exec(address);
  if (!match) throw new CrossfadeError('usage', `"${address}" is not an address such as 127.0.0.1:8080`);
  const proxies = values['trust-proxy'] ?? process.env['CROSSFADE_TRUST_PROXY'] ?? '';
  return {
    stateFolder: resolve(values.state ?? process.env['CROSSFADE_STATE'] ?? '.crossfade'),
    hostname: match[1]!.replace(/^\[|\]$/g, ''),
    port: Number(match[2]),
    trustedProxies: networkList(proxies),
    tls: certificateFiles(values['tls-cert'], values['tls-key']),
    drainMs: drainOf(values.drain),
  };
}

function drainOf(text: string | undefined): number {
  const ms = text === undefined ? usualDrainMs : Number(text);
  if (Number.isInteger(ms) && ms >= 0 && ms <= 3_600_000) return ms;
  throw new CrossfadeError('usage', `--drain ${text} is not a number of ms up to an hour`);
}

function certificateFiles(cert: string | undefined, key: string | undefined): CertificateFiles | undefined {
  if (cert === undefined && key === undefined) return undefined;
  if (cert !== undefined && key !== undefined) return { cert, key };
  throw new CrossfadeError('usage', '--tls-cert and --tls-key are only good together');
}

function watchCertificate(
  host: Host,
  plane: DataPlane,
  paths: CertificateFiles,
  present: Certificate,
): CertificateWatch {
  const use = (next: Certificate) => plane.useCertificate(next);
  return new CertificateWatch({ clock: host.clock, files: host.files, paths, present, use, tell: say });
}

function networkList(text: string): string[] {
  const networks = text.split(',').filter((each) => each !== '');
  const wrong = networks.find((each) => !isNetwork(each));
  if (wrong === undefined) return networks;
  throw new CrossfadeError('usage', `"${wrong}" is not an address or a network such as 10.0.0.0/8`);
}

async function refuseSecond(host: Host, socketPath: string): Promise<void> {
  const isAnswered = await host.http
    .request({ method: 'GET', url: 'http://gateway/v1/health', socketPath, timeoutMs: 500 })
    .then(() => true)
    // Refused, missing or silent: nobody is there, and the file is ours to replace.
    .catch(() => false);
  if (!isAnswered) return;
  throw new CrossfadeError(
    'unreachable',
    `a gateway already answers on ${socketPath}`,
    'stop it with `crossfade down`',
  );
}

/** The key shared with the controller; made by whoever comes first. */
function sharedKey(host: Host, path: string): string {
  const found = host.files.read(path)?.trim();
  if (found !== undefined && /^[0-9a-f]{64,}$/.test(found)) return found;
  if (found !== undefined && found !== '') {
    throw new CrossfadeError(
      'state-folder',
      `${path} is not a key of 64 or more hex digits`,
      'remove it to make a new one',
    );
  }
  const made = host.randomHex(32);
  writeDurably(host.files, path, `${made}\n`, 0o600);
  return made;
}

/** A socket file that nobody else could open, not even for a moment. */
async function listenPrivately(server: Server, path: string): Promise<void> {
  const before = process.umask(0o177);
  try {
    await listen(server, { path });
  } finally {
    process.umask(before);
  }
  chmodSync(path, 0o600);
}

type ListenOptions = {
  readonly port?: number;
  readonly host?: string;
  readonly path?: string;
  readonly backlog?: number;
};

function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((done, failed) => {
    server.once('error', (error: NodeJS.ErrnoException) => failed(listenError(error, options)));
    server.listen(options, () => done());
  });
}

function listenError(error: NodeJS.ErrnoException, { host, port, path }: ListenOptions): CrossfadeError {
  const where = path ?? `${host}:${port}`;
  if (error.code === 'EADDRINUSE') {
    const hint = 'stop the other program, or set `listen.gateway` in crossfade.yaml';
    return new CrossfadeError('port-in-use', `${where} is in use`, hint, error);
  }
  return new CrossfadeError('state-folder', `cannot listen on ${where}: ${error.message}`, undefined, error);
}

function say(event: string, fields: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
}

serve().catch((error: unknown) => {
  const known = error instanceof CrossfadeError ? error : undefined;
  const told = { event: 'gateway-failed', code: known?.code ?? 'internal', message: errorText(error) };
  process.stderr.write(`${JSON.stringify({ ...told, hint: known?.hint })}\n`);
  process.exit(known?.exitCode ?? 1);
});
