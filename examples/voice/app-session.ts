// The app's own session: a signed cookie given out with the document, asked for by the routes that cost
// money. It stands where an app with accounts has its sign-in. Signed with APP_SECRET, so that both releases
// of the app and all of their instances accept it; without one the process makes its own, good for itself
// alone.
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

const cookieName = 'voice_session';
const lifeS = 12 * 3600;
const secret = process.env['APP_SECRET'] || randomBytes(32).toString('hex');

/** Who sent the request, when it carries a session that is signed and alive. */
export function authenticate(request: Request, nowMs = Date.now()): { readonly user: string } | undefined {
  const session = sessionOf(request);
  return session && session.endsAtS * 1000 > nowMs ? { user: session.user } : undefined;
}

/**
 * A `Set-Cookie` value for a document, unless the session that came with it has more than half of its life
 * left.
 */
export function renewedCookie(request: Request, nowMs = Date.now()): string | undefined {
  const session = sessionOf(request);
  const nowS = Math.floor(nowMs / 1000);
  if (session && session.endsAtS - nowS > lifeS / 2) return undefined;
  const isAlive = session !== undefined && session.endsAtS > nowS;
  const user = isAlive ? session.user : randomBytes(16).toString('hex');
  const signed = `${user}.${nowS + lifeS}`;
  const isSecure =
    new URL(request.url).protocol === 'https:' || request.headers.get('x-forwarded-proto') === 'https';
  const secure = isSecure ? '; Secure' : '';
  const value = `${signed}.${signatureOf(signed)}`;
  return `${cookieName}=${value}; Max-Age=${lifeS}; Path=/; HttpOnly; SameSite=Lax${secure}`;
}

function sessionOf(request: Request): { readonly user: string; readonly endsAtS: number } | undefined {
  const cookie = cookieOf(request, cookieName);
  const [user, endsAtS, signature] = cookie?.split('.') ?? [];
  if (!user || !endsAtS || !signature) return undefined;
  const expected = Buffer.from(signatureOf(`${user}.${endsAtS}`));
  const given = Buffer.from(signature);
  if (expected.length !== given.length || !timingSafeEqual(expected, given)) return undefined;
  return { user, endsAtS: Number(endsAtS) };
}

/** The value of a cookie, as it was sent. */
export function cookieOf(request: Request, name: string): string | undefined {
  const pairs = (request.headers.get('cookie') ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1);
}

function signatureOf(signed: string): string {
  return createHmac('sha256', secret).update(signed).digest('base64url');
}
