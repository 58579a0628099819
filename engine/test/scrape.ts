// What Prometheus would read of a controller.
import type { Stage } from './stage.ts';

/** With the owner's token, unless another or none is given. */
export async function scrape(
  stage: Stage,
  token: string | undefined = stage.read('.crossfade/token').trim(),
): Promise<{ readonly status: number; readonly text: string }> {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`http://127.0.0.1:${stage.controlPort}/metrics`, { headers });
  return { status: answer.status, text: await answer.text() };
}
