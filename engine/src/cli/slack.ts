// A message to Slack by its incoming webhook, where SLACK_WEBHOOK_URL names one. The address is a credential:
// it is never shown.
import { errorText } from '../errors.ts';

export type Told = { readonly kind: 'told' | 'no-channel' | 'failed'; readonly text: string };

const slackMs = 10_000;

/** Never rejects. */
export async function tellSlack(text: string): Promise<Told> {
  const url = process.env['SLACK_WEBHOOK_URL']?.trim();
  if (!url) return { kind: 'no-channel', text: 'not told, there is no SLACK_WEBHOOK_URL' };
  try {
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ text }),
      signal: AbortSignal.timeout(slackMs),
      redirect: 'error',
    });
    if (answer.ok) return { kind: 'told', text: 'told' };
    return { kind: 'failed', text: `not told, status ${answer.status}` };
  } catch (error) {
    // An error may quote the address.
    return { kind: 'failed', text: `not told: ${errorText(error).replaceAll(url, 'the webhook')}` };
  }
}
