// The body of a request to the gateway itself, as text. G5: never more than a limit is held; the rest is read
// and dropped, so that the answer can still be sent.
import type { IncomingMessage } from 'node:http';

/** `done` gets undefined when it is too large; it is never called when the client went away. */
export function readBody(
  request: IncomingMessage,
  limitBytes: number,
  done: (body: string | undefined) => void,
): void {
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= limitBytes) chunks.push(chunk);
    else chunks.length = 0;
  });
  request.on('end', () => done(size > limitBytes ? undefined : Buffer.concat(chunks).toString('utf8')));
}
