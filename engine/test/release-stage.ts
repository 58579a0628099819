// A stage whose app prints its own environment, for tests of releases: what was sealed is compared with what
// the app's process really sees, byte for byte.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stage } from './stage.ts';

/** Two speech routes and two flags besides; `app` is the rest of the line `app: { … }`. */
export function releaseConfig(app = '', rest = ''): string {
  return `
app: { start: node server.mjs, grace: 1s${app} }
health: { interval: 200ms, ready: 10s }
speech:
  endpoints:
    direct: { type: speechmatics, url: "wss://sm.invalid/v2" }
    modal: { type: modal-parakeet, url: "wss://modal.invalid/ws" }
  routes: [direct, modal]
flags: { SPEECHMATICS_DIRECT: true, GREETING: "grüß dich" }
rollout: { bake: 300ms, standby: 500ms }
guards: { errors: { minUnits: 20 }, latency: { minUnits: 20 } }
${rest}`;
}

const printingApp = `
import { createServer } from 'node:http';
const { PORT, CROSSFADE_RELEASE: release, CROSSFADE_INSTANCE: instance } = process.env;
createServer((request, response) => {
  if (request.url === '/api/health') return response.end(JSON.stringify({ release, instance }));
  response.end(JSON.stringify({ code: 'CODE', env: process.env }));
}).listen(Number(PORT), '127.0.0.1');
`;

/** What the app says about itself through the gateway, and the plan it would give a conversation. */
export type Printed = {
  readonly code: string;
  readonly env: Readonly<Record<string, string>>;
  readonly routes: readonly string[];
  readonly flags: Readonly<Record<string, unknown>>;
};

/** The app prints `code` too; committed, not up. */
export async function makeReleaseStage(config: string, env?: string): Promise<Stage> {
  const stage = await Stage.make(config);
  if (env !== undefined) stage.write('.env', env);
  stage.write('.gitignore', '.crossfade/\n.env\n*.secret\n*.tgz\n');
  await changeCode(stage, 'one');
  return stage;
}

export async function changeCode(stage: Stage, code: string): Promise<void> {
  stage.write('server.mjs', printingApp.replace('CODE', code));
  await stage.commit(code);
}

/** Writes a new configuration with the ports of this stage. */
export function configure(stage: Stage, config: string): void {
  writeFileSync(join(stage.folder, 'crossfade.yaml'), `service: voice\n${stage.listenLine}\n${config}`);
}

export async function printed(stage: Stage): Promise<Printed> {
  const { code, env } = JSON.parse((await stage.ask('/')).body) as Pick<Printed, 'code' | 'env'>;
  const url = new URL(env['CROSSFADE_PLAN']!);
  const authorization = `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}`;
  const answer = await fetch(`${url.origin}${url.pathname}`, {
    method: 'POST',
    headers: { authorization },
    body: JSON.stringify({}),
  });
  const plan = (await answer.json()) as { routes: { name: string }[]; flags: Printed['flags'] };
  return { code, env, routes: plan.routes.map((each) => each.name), flags: plan.flags };
}
