// What a controller needs of the state folder before it can begin: the gateway's key, and a socket path that
// is free.
import { existsSync, readFileSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { CrossfadeError } from '../errors.ts';

/** The gateway makes the key; it starts beside us. */
export async function gatewayKeyOf(path: string): Promise<string> {
  for (let turn = 0; turn < 200; turn++) {
    const key = existsSync(path) ? readFileSync(path, 'utf8').trim() : '';
    if (key !== '') return key;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new CrossfadeError('state-folder', `${path} was not made by the gateway`, 'is the gateway running?');
}

/** Removes a socket that nobody answers on; refuses when somebody does. */
export async function freeSocket(path: string): Promise<void> {
  if (!existsSync(path)) return;
  const isAnswered = await new Promise<boolean>((resolve) => {
    const socket = connect(path, () => (socket.destroy(), resolve(true)));
    socket.on('error', () => resolve(false));
  });
  if (isAnswered)
    throw new CrossfadeError(
      'already-running',
      `a controller answers on ${path}`,
      '`crossfade status` shows it',
    );
  unlinkSync(path);
}
