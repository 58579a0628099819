// What the voice app answers: its page, the page's modules and styles, the sample clip, and the route modules
// under api/. Fetch style, so that the same code would run behind another server. Every answer carries the
// page's security headers; the document alone gives out the session cookie.
import { renewedCookie } from './app-session.ts';
import { securityHeaders } from './content-policy.ts';
import { loadRoutes, answerRoute, type Routes } from './route-modules.ts';
import { sampleClip } from './sample-clip.ts';
import { loadStaticFiles, type StaticFiles } from './static-files.ts';

export type App = { readonly routes: Routes; readonly files: StaticFiles };

export async function loadApp(): Promise<App> {
  return { routes: await loadRoutes(), files: await loadStaticFiles() };
}

export async function answerRequest(app: App, request: Request): Promise<Response> {
  const response = await plainAnswer(app, request);
  for (const [name, value] of Object.entries(securityHeaders)) response.headers.set(name, value);
  return response;
}

async function plainAnswer(app: App, request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (pathname.startsWith('/api/')) return await answerRoute(app.routes, pathname, request);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return new Response('use GET\n', { status: 405, headers: { allow: 'GET, HEAD' } });
  }
  if (pathname === '/') return documentAnswer(app.files, request);
  if (pathname === '/sample.wav') return await sampleClip();
  return app.files.answer(pathname, request) ?? new Response('not found\n', { status: 404 });
}

function documentAnswer(files: StaticFiles, request: Request): Response {
  const document = files.document();
  const cookie = renewedCookie(request);
  if (cookie !== undefined) document.headers.append('set-cookie', cookie);
  return document;
}
