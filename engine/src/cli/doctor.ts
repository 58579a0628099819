// `crossfade doctor`: what must be right before anything runs, each with what to do about it. Unknown is
// not pass.
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { expiryProblem, readCertificate, type CertificateFiles } from '../certificate.ts';
import { parseConfig, resolveFrom, type Config } from '../config.ts';
import { errorText, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { findFolder, type GlobalOptions } from './connection.ts';
import { print, printJson } from './render.ts';

type Check = {
  readonly name: string;
  readonly verdict: 'pass' | 'warn' | 'fail' | 'unknown';
  readonly text: string;
  readonly fix?: string;
};

export async function doctor(options: GlobalOptions): Promise<ExitCode> {
  const folder = findFolder(options);
  const read = readConfig(folder, options);
  const checks = [nodeCheck(), read.check];
  if (folder !== undefined) checks.push(stateCheck(folder));
  if (folder !== undefined && read.config) {
    checks.push(await gitCheck(resolveFrom(folder, read.config.source.path)));
    const isUp = await isAnswered(join(folder, '.crossfade', 'up.sock'));
    for (const name of ['gateway', 'control'] as const)
      checks.push(await portCheck(name, read.config.listen[name], isUp));
    for (const [part, files] of Object.entries(read.config.listen.tls))
      if (files) checks.push(certificateCheck(folder, part, files));
    const { file } = read.config.app.env;
    if (file !== undefined)
      checks.push(envFileCheck(resolveFrom(folder, file)), sealCheck(folder, read.config));
    checks.push(diskCheck(folder, read.config.retention.diskLow));
  }
  if (options.json) printJson({ checks });
  else
    for (const each of checks)
      print(
        `${each.verdict.padEnd(8)}${each.name.padEnd(16)}${each.text}${each.fix ? `\n${' '.repeat(24)}→ ${each.fix}` : ''}`,
      );
  return checks.some((each) => each.verdict === 'fail') ? 3 : 0;
}

function nodeCheck(): Check {
  const major = Number(process.versions.node.split('.')[0]);
  const text = `Node ${process.versions.node}`;
  return major >= 24
    ? { name: 'node', verdict: 'pass', text }
    : { name: 'node', verdict: 'fail', text, fix: 'install Node 24 or newer' };
}

function readConfig(folder: string | undefined, options: GlobalOptions): { check: Check; config?: Config } {
  const name = 'configuration';
  if (folder === undefined) {
    const text = `no crossfade.yaml in ${resolve(options.folder ?? '.')} or above`;
    return { check: { name, verdict: 'fail', text, fix: '`crossfade init` writes one' } };
  }
  try {
    const config = parseConfig(readFileSync(join(folder, 'crossfade.yaml'), 'utf8'), 'crossfade.yaml');
    return { check: { name, verdict: 'pass', text: `crossfade.yaml of service ${config.service}` }, config };
  } catch (error) {
    return { check: { name, verdict: 'fail', text: errorText(error), fix: 'correct the file' } };
  }
}

function stateCheck(folder: string): Check {
  const name = 'state folder';
  const path = join(folder, '.crossfade');
  try {
    const isThere = existsSync(path);
    if (isThere && !statSync(path).isDirectory())
      return { name, verdict: 'fail', text: `${path} is not a folder`, fix: `move ${path} away` };
    accessSync(isThere ? path : folder, constants.W_OK);
    const isOpen = isThere && (statSync(path).mode & 0o077) !== 0;
    if (!isOpen) return { name, verdict: 'pass', text: `${path} can be written` };
    return { name, verdict: 'fail', text: `${path} can be read by others`, fix: `chmod 700 ${path}` };
  } catch (error) {
    return { name, verdict: 'fail', text: errorText(error), fix: `make ${folder} writable` };
  }
}

async function gitCheck(path: string): Promise<Check> {
  const name = 'git';
  const run = (args: string[]) =>
    nodeHost().processes.run({ command: 'git', args: ['-C', path, ...args], folder: '/', timeoutMs: 10_000 });
  try {
    const head = await run(['rev-parse', '--short', 'HEAD']);
    if (head.code === 0) return { name, verdict: 'pass', text: `${path} is at ${head.stdout.trim()}` };
    return {
      name,
      verdict: 'unknown',
      text: `${path} has no commit`,
      fix: 'commit it, or deploy with --path',
    };
  } catch (error) {
    return { name, verdict: 'fail', text: errorText(error), fix: 'install git, or deploy with --path' };
  }
}

async function portCheck(part: 'gateway' | 'control', address: string, isUp: boolean): Promise<Check> {
  const name = `${part} port`;
  const colon = address.lastIndexOf(':');
  const problem = await new Promise<NodeJS.ErrnoException | undefined>((done) => {
    const server = createServer();
    server.once('error', done);
    server.listen(Number(address.slice(colon + 1)), address.slice(0, colon), () =>
      server.close(() => done(undefined)),
    );
  });
  const fix = `change listen.${part} in crossfade.yaml`;
  if (!problem) return { name, verdict: 'pass', text: `${address} is free` };
  if (problem.code !== 'EADDRINUSE')
    return { name, verdict: 'fail', text: `cannot listen on ${address}: ${problem.message}`, fix };
  if (isUp) return { name, verdict: 'pass', text: `${address} is used by this crossfade` };
  return {
    name,
    verdict: 'fail',
    text: `${address} is in use`,
    fix: `${fix}, or stop what uses it`,
  };
}

/** A socket that an `up` left behind when it was killed is there, and nobody answers on it. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path, () => (socket.destroy(), done(true)));
    socket.once('error', () => done(false));
  });
}

function certificateCheck(folder: string, part: string, files: CertificateFiles): Check {
  const name = `${part} tls`;
  const paths = { cert: resolveFrom(folder, files.cert), key: resolveFrom(folder, files.key) };
  const fix = `put a good pair in place, or change listen.tls.${part}`;
  try {
    const host = nodeHost();
    const certificate = readCertificate(host.files, paths);
    const problem = expiryProblem(certificate, host.clock.now());
    const day = new Date(certificate.expiresMs).toISOString().slice(0, 10);
    if (problem === undefined) return { name, verdict: 'pass', text: `${files.cert} is good until ${day}` };
    const hasEnded = certificate.expiresMs <= host.clock.now();
    return { name, verdict: hasEnded ? 'fail' : 'warn', text: `${files.cert}: ${problem}`, fix };
  } catch (error) {
    return { name, verdict: 'fail', text: errorText(error), fix };
  }
}

function envFileCheck(path: string): Check {
  const name = 'environment';
  try {
    readFileSync(path);
    return { name, verdict: 'pass', text: `${path} can be read` };
  } catch (error) {
    const text = existsSync(path) ? errorText(error) : `${path} is missing`;
    return { name, verdict: 'fail', text, fix: 'write it, or change app.env.file' };
  }
}

function sealCheck(folder: string, { app }: Config): Check {
  const name = 'sealed values';
  const { sealKey } = app.env;
  if (sealKey === undefined) {
    const fix = 'name a key outside .crossfade: app.env.sealKey: { file: /etc/crossfade/seal.key }';
    return { name, verdict: 'pass', text: 'not encrypted: .crossfade/sealed, for you only', fix };
  }
  const isThere =
    'env' in sealKey ? process.env[sealKey.env] !== undefined : existsSync(resolveFrom(folder, sealKey.file));
  const where = 'env' in sealKey ? `the variable ${sealKey.env}` : sealKey.file;
  if (isThere) return { name, verdict: 'pass', text: `encrypted with the key in ${where}` };
  // Where crossfade runs it may be set.
  const verdict = 'env' in sealKey ? 'unknown' : 'fail';
  return { name, verdict, text: `${where} is missing`, fix: 'bring it back, or change app.env.sealKey' };
}

function diskCheck(folder: string, diskLow: number): Check {
  const name = 'disk';
  try {
    const freeMiB = Math.floor(nodeHost().files.freeBytes(folder) / 2 ** 20);
    const text = `${freeMiB} MiB are free`;
    if (freeMiB * 2 ** 20 >= diskLow) return { name, verdict: 'pass', text };
    const fix = 'free some, or lower retention.releases and retention.logs';
    return { name, verdict: 'fail', text: `${text}, less than retention.diskLow`, fix };
  } catch (error) {
    return { name, verdict: 'unknown', text: errorText(error) };
  }
}
