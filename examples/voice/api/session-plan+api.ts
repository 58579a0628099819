// POST /api/session-plan: which speech routes this session takes, in order, with short-lived tokens. The
// gateway decides (CROSSFADE_PLAN); without one, VOICE_DIRECT_URL makes a plan of one route, and the app runs
// alone.
import { mintSpeechmaticsToken, sessionPlanHandler, type PlanOptions } from '@crossfade/speech/server';
import { authenticate, cookieOf } from '../app-session.ts';
import { identity } from '../identity.ts';
import { PlanLimit } from '../plan-limit.ts';
import { vendorKey } from '../vendor-key.ts';

const limit = new PlanLimit();
const planUrl = process.env['CROSSFADE_PLAN'];
const { release } = identity();

const plan = sessionPlanHandler({
  authenticate,
  release,
  cohortKey: (request) => request.headers.get('x-crossfade-key') ?? cookieOf(request, 'crossfade'),
  mint,
  ...(planUrl ? { planUrl } : fixedPlan()),
});

export async function POST(request: Request): Promise<Response> {
  const caller = authenticate(request);
  if (caller && !limit.take(caller.user, Date.now())) {
    const headers = { 'cache-control': 'no-store', 'retry-after': '60' };
    return Response.json({ error: 'too many session plans' }, { status: 429, headers });
  }
  return await plan(request);
}

async function mint(): ReturnType<typeof mintSpeechmaticsToken> {
  const key = vendorKey();
  if (!key) throw new Error('SPEECHMATICS_API_KEY is not set');
  return await mintSpeechmaticsToken(key);
}

function fixedPlan(): Pick<PlanOptions, 'fixed'> {
  const url = process.env['VOICE_DIRECT_URL'];
  if (!url) return {};
  return { fixed: { release, routes: [{ name: 'direct', type: 'speechmatics', url }] } };
}
