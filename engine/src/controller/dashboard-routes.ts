// What a browser gets from the control address: the built dashboard (assets/dashboard), without a token since
// there is no secret in it, and GET /v1/me, which tells it what the holder of its session may do. Nothing of
// another origin is asked or may ask.
import type { Hono } from 'hono';
import type { Me } from '../api/me.ts';
import { actions, mayDo } from '../api/roles.ts';
import { CrossfadeError } from '../errors.ts';
import type { Files } from '../host.ts';
import type { Bindings, Variables } from './access/admission.ts';

export type DashboardWorld = {
  readonly host: { readonly files: Files };
  /** Where the built dashboard is. */
  readonly dashboard: string;
};

type App = Hono<{ Bindings: Bindings; Variables: Variables }>;

const types: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
};

const policy = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const notBuilt = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2"><title>Crossfade</title>
<h1>The dashboard is not built yet</h1>
<p><code>npm start</code> builds it within seconds, and so does <code>npm run build</code>. This page looks again every
two seconds; meanwhile <code>crossfade status --watch</code> shows the same.</p></html>
`;

export function addDashboard(world: DashboardWorld, app: App): void {
  const { files } = world.host;
  app.get('/', (context) => {
    context.header('content-security-policy', policy);
    const page = files.read(`${world.dashboard}/index.html`);
    return context.html(page ?? notBuilt);
  });
  app.get('/assets/:name{[A-Za-z0-9_-][A-Za-z0-9_.-]*}', (context) => {
    const name = context.req.param('name');
    const type = types[name.slice(name.lastIndexOf('.') + 1)];
    const body = files.bytes(`${world.dashboard}/assets/${name}`);
    if (body === undefined || type === undefined)
      throw new CrossfadeError(
        'not-found',
        'there is no such file',
        'the page was built anew: load it again',
      );
    return context.body(new Uint8Array(body), 200, { 'content-type': type });
  });
  app.get('/v1/me', (context) => {
    const { actor, role, scope } = context.get('rights');
    const me: Me = {
      name: actor.name,
      kind: actor.kind,
      role,
      may: actions.filter((each) => mayDo(role, scope, each)),
    };
    return context.json(me);
  });
}
