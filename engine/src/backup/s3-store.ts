// Backups in a bucket of Amazon S3 or anything that speaks its protocol (path style, Signature Version 4).
// An object is there whole or not at all; what was stored is compared by its MD5 on the way. Objects below
// 2 GiB: one PUT from memory.
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { AwsClient } from 'aws4fetch';
import type { S3Target } from '../config-schema.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { BackupStore } from './backup-store.ts';

const timeoutMs = 15 * 60_000;
const pageLimit = 1_000;
const largestBytes = 2 ** 31;

export class S3Store implements BackupStore {
  readonly name: string;
  readonly #client: AwsClient;
  readonly #base: string;
  readonly #prefix: string;

  private constructor(client: AwsClient, { endpoint, bucket, prefix }: S3Target) {
    this.#client = client;
    this.#base = `${endpoint.replace(/\/$/, '')}/${bucket}`;
    this.#prefix = prefix === '' ? '' : `${prefix.replace(/\/$/, '')}/`;
    this.name = `s3://${bucket}/${this.#prefix}`;
  }

  static open(target: S3Target): S3Store {
    const accessKeyId = credential(target.accessKey.env);
    const secretAccessKey = credential(target.secretKey.env);
    const client = new AwsClient({
      ...{ accessKeyId, secretAccessKey, service: 's3', region: target.region },
      retries: 2,
    });
    return new S3Store(client, target);
  }

  async write(path: string, file: string): Promise<void> {
    const { size } = statSync(file);
    if (size >= largestBytes) {
      const text = `${path} has ${(size / 2 ** 30).toFixed(1)} GiB, and an object may have 2`;
      throw new CrossfadeError('source', text, 'back it up to a folder, or apart');
    }
    const body = readFileSync(file);
    const md5 = createHash('md5').update(body).digest('base64');
    await this.#ask('PUT', this.#url(path), { body, headers: { 'content-md5': md5 } });
  }

  async read(path: string, file: string): Promise<void> {
    const answer = await this.#ask('GET', this.#url(path));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
  }

  async list(prefix: string): Promise<string[]> {
    const found: string[] = [];
    let next: string | undefined;
    do {
      const query = new URLSearchParams({ 'list-type': '2', 'max-keys': String(pageLimit) });
      query.set('prefix', this.#prefix + prefix);
      if (next !== undefined) query.set('continuation-token', next);
      const text = await (await this.#ask('GET', `${this.#base}?${query}`)).text();
      found.push(...elements(text, 'Key').map((key) => key.slice(this.#prefix.length)));
      next = elements(text, 'NextContinuationToken')[0];
    } while (next !== undefined);
    return found.sort();
  }

  async remove(path: string): Promise<void> {
    await this.#ask('DELETE', this.#url(path));
  }

  #url(path: string): string {
    return `${this.#base}/${(this.#prefix + path).split('/').map(encodeURIComponent).join('/')}`;
  }

  async #ask(method: string, url: string, rest: { body?: Buffer; headers?: Record<string, string> } = {}) {
    const { body, headers = {} } = rest;
    let answer: Response;
    try {
      answer = await this.#client.fetch(url, {
        ...{ method, headers, signal: AbortSignal.timeout(timeoutMs) },
        ...(body && { body: new Uint8Array(body) }),
      });
    } catch (cause) {
      throw new CrossfadeError(
        'unreachable',
        `${this.name}: ${errorText(cause)}`,
        'look at backup.target',
        cause,
      );
    }
    if (answer.ok) return answer;
    const code = elements(await answer.text(), 'Code')[0] ?? `status ${answer.status}`;
    const hint = 'look at backup.target in crossfade.yaml and at the rights of its key';
    throw new CrossfadeError('unreachable', `${this.name} refused ${method}: ${code}`, hint);
  }
}

function credential(name: string): string {
  const value = process.env[name]?.trim();
  if (value) return value;
  const hint = 'backup.target.s3 in crossfade.yaml names it';
  throw new CrossfadeError('config-invalid', `the variable ${name} is missing or empty`, hint);
}

/** The texts of the elements of this name, wherever they stand. */
function elements(xml: string, name: string): string[] {
  const found = [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))];
  return found.map((match) => unescaped(match[1]!));
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text.replace(/&(#x?[0-9a-f]+|\w+);/gi, (whole, name: string) => {
    if (!name.startsWith('#')) return entities[name] ?? whole;
    return String.fromCodePoint(name[1] === 'x' ? parseInt(name.slice(2), 16) : Number(name.slice(1)));
  });
}
