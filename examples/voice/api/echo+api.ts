// GET /api/echo: a quick answer that names the release. With VOICE_FAULTS=1 it misbehaves as told, so that
// guards can be seen at work: VOICE_FAIL_SHARE (0–1) of its answers are 500, each VOICE_SLOW_MS late.
import { setTimeout as pause } from 'node:timers/promises';
import { identity } from '../identity.ts';

const isFaulty = process.env['VOICE_FAULTS'] === '1';
const failShare = isFaulty ? Number(process.env['VOICE_FAIL_SHARE'] ?? 0) : 0;
const slowMs = isFaulty ? Number(process.env['VOICE_SLOW_MS'] ?? 0) : 0;
let owedFailures = 0;

export async function GET(): Promise<Response> {
  if (slowMs > 0) await pause(slowMs);
  owedFailures += failShare;
  const isFailing = owedFailures >= 1;
  if (isFailing) owedFailures -= 1;
  const headers = { 'cache-control': 'no-store' };
  if (isFailing) return Response.json({ error: 'told to fail', ...identity() }, { status: 500, headers });
  return Response.json(identity(), { headers });
}
