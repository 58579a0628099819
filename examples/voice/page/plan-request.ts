// Asks the app's own server for a session plan. The browser's cookies say who asks and, behind a gateway,
// which side of a rollout they are on; the page holds no key.
import type { PlanRequest, SessionPlan } from '@crossfade/speech';

export async function fetchPlan(previous?: PlanRequest): Promise<SessionPlan> {
  const response = await fetch('/api/session-plan', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(previous ?? {}),
  });
  if (response.ok) return (await response.json()) as SessionPlan;
  const { error } = (await response.json().catch(() => ({}))) as { error?: string };
  throw new Error(refusalText(response.status, error));
}

function refusalText(status: number, error: string | undefined): string {
  if (status === 401) return 'your session has ended: reload the page';
  if (status === 429) return 'too many attempts: wait a minute';
  return error ?? `the server answered ${status}`;
}
