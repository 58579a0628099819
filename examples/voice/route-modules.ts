// Route modules in Expo's convention: api/NAME+api.ts answers /api/NAME, one exported function per method, a
// Request in and a Response out. They move to Expo Router or another host as they are.
import { readdir } from 'node:fs/promises';

export type Route = (request: Request) => Response | Promise<Response>;

/** By path, then by method. */
export type Routes = ReadonlyMap<string, ReadonlyMap<string, Route>>;

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
const folder = new URL('./api/', import.meta.url);

export async function loadRoutes(): Promise<Routes> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('+api.ts'));
  const loaded = names.map(async (name) => {
    const exported = (await import(new URL(name, folder).href)) as Record<string, Route>;
    const known = methods.flatMap((method) =>
      exported[method] ? [[method, exported[method]] as const] : [],
    );
    return [`/api/${name.replace(/\+api\.ts$/, '')}`, new Map(known)] as const;
  });
  return new Map(await Promise.all(loaded));
}

export async function answerRoute(routes: Routes, path: string, request: Request): Promise<Response> {
  const known = routes.get(path);
  if (!known) return Response.json({ error: `there is no ${path}` }, { status: 404 });
  const route = known.get(request.method === 'HEAD' ? 'GET' : request.method);
  if (route) return mutable(await route(request));
  const allow = [...known.keys()].join(', ');
  return Response.json({ error: `use ${allow}` }, { status: 405, headers: { allow } });
}

/** The same answer with headers that can be added to. */
function mutable(response: Response): Response {
  return new Response(response.body, response);
}
