// The key with which environment values are encrypted, in releases and in backups: where app.env.sealKey
// says, and never beside what it opens.
import { dirname } from 'node:path';
import { resolveFrom, type Config } from './config.ts';
import { CrossfadeError } from './errors.ts';
import type { Host } from './host.ts';

type SealKeySource = Config['app']['env']['sealKey'];

const minKeyLength = 16;

/** The key that app.env.sealKey names; throws `config-invalid` when it is missing, short or badly kept. */
export function sealKey(host: Host, stateFolder: string, source: NonNullable<SealKeySource>): string {
  const [where, value] =
    'env' in source
      ? [`the variable ${source.env}`, process.env[source.env]]
      : [source.file, keyFile(host, stateFolder, source.file)];
  const key = value?.trim() ?? '';
  if (key === '')
    throw badKey(`${where}, named by app.env.sealKey, is missing or empty`, 'give the key there');
  if (key.length >= minKeyLength) return key;
  const text = `the key in ${where} has ${key.length} characters, fewer than ${minKeyLength}`;
  throw badKey(text, '`openssl rand -hex 32` makes a good one');
}

function keyFile(host: Host, stateFolder: string, file: string): string | undefined {
  const path = resolveFrom(dirname(stateFolder), file);
  if (!`${path}/`.startsWith(`${stateFolder}/`)) return host.files.read(path);
  const text = `app.env.sealKey is ${file}, inside the state folder: who can read the values could read the key`;
  throw badKey(text, 'keep the key outside .crossfade');
}

function badKey(text: string, hint: string): CrossfadeError {
  return new CrossfadeError('config-invalid', text, hint);
}
