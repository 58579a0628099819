// POST /api/speechmatics-token: a vendor token that lives 60 s, for the session of this app that asks. Behind
// the app's own cookie, ten a minute, never cached; the key itself stays here.
import { tokenHandler } from '@crossfade/speech/server';
import { authenticate } from '../app-session.ts';
import { vendorKey } from '../vendor-key.ts';

const key = vendorKey();

export const POST = key ? tokenHandler({ ...key, authenticate, perUserPerMinute: 10 }) : unconfigured;

function unconfigured(request: Request): Response {
  const headers = { 'cache-control': 'no-store' };
  if (!authenticate(request)) return Response.json({ error: 'sign in first' }, { status: 401, headers });
  return Response.json({ error: 'SPEECHMATICS_API_KEY is not set' }, { status: 503, headers });
}
