// Real speech for the local servers: PocketSphinx in child processes, so that a slow decode never holds up a
// socket. Children are kept for the next session, since loading the model takes a second. Leaves the
// library's calls to pocketsphinx-child.ts. Where library, model or koffi are missing, `pocketsphinxMissing`
// says which.
import { fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Heard, OpenRecogniser } from './recogniser.ts';

export type SphinxPaths = { readonly library: string; readonly base: string; readonly model: string };

export type ToChild =
  | { readonly kind: 'audio'; readonly samples: Int16Array }
  | { readonly kind: 'flush' }
  | { readonly kind: 'reset' };

export type FromChild =
  ({ readonly kind: 'heard' } & Heard) | { readonly kind: 'flushed' } | { readonly kind: 'reset-done' };

const LIBRARY_FOLDERS = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/local/lib',
];
const MODEL_FOLDERS = ['/usr/share/pocketsphinx/model/en-us', '/usr/local/share/pocketsphinx/model/en-us'];
const MAX_IDLE = 4;
/** TypeScript in a checkout, JavaScript in a published package. */
const childProgram = new URL(import.meta.url.replace(/pocketsphinx(\.\w+)$/, 'pocketsphinx-child$1'));

/** Where PocketSphinx is on this machine, or what is missing, as a reason to skip. */
export function findPocketsphinx(): SphinxPaths | { readonly missing: string } {
  const found = (name: string): string | undefined =>
    LIBRARY_FOLDERS.map((folder) => `${folder}/${name}`).find((path) => existsSync(path));
  const library = found('libpocketsphinx.so.3');
  const base = found('libsphinxbase.so.3');
  if (!library || !base) return { missing: 'libpocketsphinx3 is not installed' };
  const model = MODEL_FOLDERS.find((folder) => existsSync(`${folder}/en-us.lm.bin`));
  if (!model) return { missing: 'pocketsphinx-en-us is not installed' };
  try {
    createRequire(import.meta.url).resolve('koffi');
  } catch {
    return { missing: 'the optional dependency koffi is not installed' };
  }
  return { library, base, model };
}

/** A recogniser of real English speech; throws with the reason where PocketSphinx is not there. */
export function pocketsphinxRecogniser(): OpenRecogniser {
  const paths = findPocketsphinx();
  if ('missing' in paths) throw new Error(`pocketsphinx cannot run: ${paths.missing}`);
  const idle: ChildProcess[] = [];
  return (hear) => {
    const child = idle.pop() ?? startChild(paths);
    let flushed: (() => void) | undefined;
    const listener = (message: FromChild): void => {
      if (message.kind === 'heard') hear(message);
      else if (message.kind === 'flushed') flushed?.();
      else if (idle.length < MAX_IDLE && child.connected) {
        child.off('message', listener);
        idle.push(child);
      } else child.kill();
    };
    child.on('message', listener);
    child.once('exit', () => flushed?.());
    const tell = (message: ToChild): void => {
      if (child.connected) child.send(message);
    };
    return {
      accept: (samples) => tell({ kind: 'audio', samples }),
      flush: () =>
        new Promise((resolve) => {
          flushed = resolve;
          if (child.connected) tell({ kind: 'flush' });
          else resolve();
        }),
      close() {
        hear = () => {};
        tell({ kind: 'reset' });
      },
    };
  };
}

function startChild(paths: SphinxPaths): ChildProcess {
  const child = fork(childProgram, [JSON.stringify(paths)], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  // A child that waits for its next session does not keep the process alive.
  child.unref();
  child.channel?.unref();
  return child;
}
