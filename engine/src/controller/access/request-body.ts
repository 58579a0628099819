// The body of a request as JSON: at most 64 KiB, whole and in UTF-8, or a refusal that says which it was not.
import type { Context } from 'hono';
import { CrossfadeError } from '../../errors.ts';
import { maxBodyBytes } from './admission.ts';

/** The body as JSON, `{}` for none. Nothing beyond the limit is held. */
export async function body(context: Context): Promise<unknown> {
  const bytes = await bodyBytes(context);
  if (bytes.byteLength === 0) return {};
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new CrossfadeError('usage', 'the body is not JSON in UTF-8', 'see the verb’s `--help`', cause);
  }
}

/** The body as it came, for what is signed as that. */
export async function bodyText(context: Context): Promise<string> {
  return (await bodyBytes(context)).toString('utf8');
}

async function bodyBytes(context: Context): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = Number(context.req.header('content-length') ?? 0);
  if (size > maxBodyBytes) throw tooLarge();
  size = 0;
  try {
    for await (const chunk of context.req.raw.body ?? []) {
      size += chunk.byteLength;
      if (size > maxBodyBytes) throw tooLarge();
      chunks.push(chunk);
    }
  } catch (cause) {
    if (cause instanceof CrossfadeError) throw cause;
    throw new CrossfadeError('usage', 'the body ended early', 'send it again', cause);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): CrossfadeError {
  return new CrossfadeError('too-large', `the body is larger than ${maxBodyBytes} bytes`, 'send less');
}
