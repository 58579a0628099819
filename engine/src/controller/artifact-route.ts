// PUT /v1/artifacts/SHA256: a packed release as it arrives, streamed to disk; GET and HEAD say whether it is
// there. Who may is decided before, as for every other route. G5: half a minute of silence ends an upload.
import type { Context } from 'hono';
import { CrossfadeError } from '../errors.ts';
import type { Host } from '../host.ts';
import { ArtifactStore } from './artifact-store.ts';

const silenceMs = 30_000;

export const artifactPath = '/v1/artifacts/:sha256{[0-9a-f]{64}}';

/** Bodies of this route are not JSON and have a limit of their own. */
export function isArtifactPath(path: string): boolean {
  return path.startsWith('/v1/artifacts/');
}

export async function receiveArtifact(
  world: { readonly host: Host; readonly folder: string },
  context: Context,
): Promise<Response> {
  const store = new ArtifactStore(world.host, `${world.folder}/.crossfade`);
  const sha256 = context.req.param('sha256')!;
  if (context.req.method !== 'PUT') return context.body(null, store.has(sha256) ? 200 : 404);
  const { body } = context.req.raw;
  if (!body) throw new CrossfadeError('usage', 'the artifact is empty', '`crossfade deploy --artifact FILE`');
  if (!store.has(sha256)) await store.receive(sha256, lively(world.host, body));
  return context.json({ sha256 });
}

/** The chunks of a body, as long as they keep coming. */
async function* lively(host: Host, body: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = body.getReader();
  try {
    for (;;) {
      const { value, done } = await within(host, reader.read());
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function within<T>(host: Host, reading: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = new CrossfadeError('timeout', `nothing arrived for ${silenceMs / 1000} s`, 'try again');
    const timer = host.clock.timer(silenceMs, () => reject(late));
    reading.then(resolve, reject).finally(() => timer.cancel());
  });
}
