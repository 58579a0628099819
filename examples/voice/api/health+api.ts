// GET /api/health: which release and instance answers, and whether it takes traffic. 503 while it drains.
import { drain } from '../drain.ts';
import { identity } from '../identity.ts';

export function GET(): Response {
  const status = drain.isDraining ? 'draining' : 'pass';
  const headers = { 'cache-control': 'no-store' };
  return Response.json({ status, ...identity() }, { status: drain.isDraining ? 503 : 200, headers });
}
