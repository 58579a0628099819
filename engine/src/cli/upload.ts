// A packed release on its way to the controller: hashed here, streamed, hashed again there. What the
// controller has already is not sent twice.
import { createHash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { basename } from 'node:path';
import { artifactLimitBytes } from '../api/releases.ts';
import { CrossfadeError } from '../errors.ts';
import { controlClient } from './connection.ts';
import { say } from './render.ts';
import type { VerbOptions } from './verb.ts';

export type Artifact = { readonly sha256: string; readonly name: string };

const sayEveryBytes = 16 * 2 ** 20;

/** Names the file for a deploy; but for a dry run, the controller has it on its disk then. */
export async function artifactOf(file: string, options: VerbOptions): Promise<Artifact> {
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found?.isFile()) {
    throw new CrossfadeError('usage', `there is no file ${file}`, '`tar -czf app.tgz -C APP .` packs an app');
  }
  if (found.size > artifactLimitBytes) {
    const text = `${file} has ${sizeText(found.size)}, more than ${sizeText(artifactLimitBytes)}`;
    throw new CrossfadeError('usage', text, 'leave out what the build makes again');
  }
  const sha256 = await hashOf(file);
  const name = basename(file).slice(-200);
  const client = controlClient(options);
  if (options.dryRun || (await client.hasArtifact(sha256))) return { sha256, name };
  say(`uploading ${name}, ${sizeText(found.size)}, sha256 ${sha256.slice(0, 10)}`);
  await client.giveArtifact(sha256, found.size, counted(file, found.size));
  return { sha256, name };
}

async function hashOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function* counted(file: string, totalBytes: number): AsyncIterable<Uint8Array> {
  let sentBytes = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    const before = Math.floor(sentBytes / sayEveryBytes);
    sentBytes += chunk.byteLength;
    if (Math.floor(sentBytes / sayEveryBytes) > before)
      say(`${sizeText(sentBytes)} of ${sizeText(totalBytes)}`);
    yield chunk;
  }
}

function sizeText(bytes: number): string {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
