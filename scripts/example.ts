// The voice example, alive: local speech servers that speak the vendors' protocols, gateway and controller,
// r1 on Modal serving and r2 on Speechmatics ready to be deployed, four callers in conversation and
// visitors who ask about thirty times a second. Ctrl-C ends all of it; started again it resumes what was
// there.
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import { signalled } from '../engine/src/cli/surroundings.ts';
import { startService } from '../engine/src/cli/up.ts';
import { controlClient } from '../engine/src/cli/connection.ts';
import { errorText } from '../engine/src/errors.ts';
import { renderError } from '../engine/src/cli/render.ts';
import { codedClip } from '../speech/src/local/coded-clip.ts';
import { buildDashboard } from './build-dashboard.ts';
import { ExampleCallers } from './example-callers.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const options = { folder: root };
const envPath = join(root, '.crossfade', 'example.env');
/** What `validate.speech` of crossfade.yaml says is said in it. */
const clipText = 'good evening everyone and thank you for coming to our table tonight';

process.env['PATH'] = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;

try {
  await main();
} catch (error) {
  process.exit(renderError(error, false));
}

async function main(): Promise<void> {
  const env = exampleEnvironment();
  const speech = [await speechServer('speechmatics', env), await speechServer('parakeet', env)];
  const service = await startService(options).catch((error: unknown) => {
    for (const child of speech) child.kill();
    throw error;
  });
  const ended = Promise.race([service.wished, signalled(['SIGINT', 'SIGTERM', 'SIGHUP'])]);
  const origin = `http://${service.project.config.listen.gateway}`;
  // Traffic first: until it is built the control address says so.
  const built = buildDashboard().catch((error: unknown) =>
    console.log(`the dashboard does not build, all else runs: ${errorText(error)}`),
  );
  await deployFirst();
  await built;
  const callers = new ExampleCallers(origin);
  callers.start();
  await tell(origin, service.project.config.listen.control);
  await ended;
  console.log('\nending: callers, gateway, controller, instances and speech servers');
  await callers.stop();
  await service.end();
  for (const child of speech) child.kill();
}

/**
 * Keys of the local speech servers and of the app: made once, kept out of git, readable by their owner
 * alone.
 */
function exampleEnvironment(): Record<string, string> {
  if (!existsSync(envPath)) {
    const secret = (): string => randomBytes(16).toString('hex');
    const values = {
      SPEECHMATICS_API_KEY: secret(),
      SPEECHMATICS_MINT_URL: 'http://127.0.0.1:4701/v1/api_keys?type=rt',
      MODAL_KEY: `wk-${secret()}`,
      MODAL_SECRET: `ws-${secret()}`,
      APP_SECRET: secret(),
      // The page's content policy lets it open a socket there.
      VOICE_CONNECT: 'ws://127.0.0.1:4701',
    };
    mkdirSync(dirname(envPath), { recursive: true, mode: 0o700 });
    const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
    writeFileSync(envPath, lines.join(''), { mode: 0o600 });
  }
  writeFileSync(join(root, '.crossfade', 'example-clip.wav'), codedClip([[1, clipText]]));
  return parseEnv(readFileSync(envPath, 'utf8')) as Record<string, string>;
}

/** Resolves when the server listens; a process of its own, so that it can be killed to see what happens. */
async function speechServer(
  kind: 'speechmatics' | 'parakeet',
  env: Record<string, string>,
): Promise<ChildProcess> {
  const script = join(root, 'speech/src/local/serve.ts');
  const ports = { SPEECHMATICS_PORT: '4701', PARAKEET_PORT: '4702' };
  const child = spawn(process.execPath, [script, kind], {
    cwd: root,
    env: { ...process.env, ...env, ...ports },
    stdio: ['ignore', 'pipe', 'inherit'],
    // Ctrl-C is for this process; it ends the servers last.
    detached: true,
  });
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once('data', () => resolve());
    child.once('exit', (code) =>
      reject(new Error(`the local ${kind} server ended with ${code}: is its port in use?`)),
    );
  });
  child.stdout!.resume();
  child.unref();
  return child;
}

/** r1 serves with Modal first; r2 is the configuration as it stands. Nothing is made when both are there. */
async function deployFirst(): Promise<void> {
  const client = controlClient(options);
  const known = await client.releases();
  const source = existsSync(join(root, '.git')) ? { allowDirty: true } : { path: '.' };
  if (known.length === 0) {
    await client.verb('deploy', { way: 'full', routes: ['modal'], ...source });
  }
  const until = performance.now() + 60_000;
  for (;;) {
    const { environments, rollout } = await client.status();
    if (
      environments.some(
        (each) => each.role === 'stable' && each.instances.some((one) => one.state === 'ready'),
      )
    )
      break;
    if (rollout?.phase === 'failed') throw new Error(rollout.text);
    if (performance.now() > until) throw new Error('the first release did not come up: see .crossfade/logs');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  if (known.length < 2)
    await client.verb('releases', source).catch((error: unknown) => console.error(errorText(error)));
}

async function tell(origin: string, control: string): Promise<void> {
  const { environments } = await controlClient(options).status();
  const serving = environments.find((each) => each.role === 'stable')?.release ?? 'r1';
  const other = serving === 'r1' ? 'r2' : 'r1';
  console.log(`
The voice app is at        ${origin}/          (status page: ${origin}/status)
The dashboard is at        http://${control}/      (the link above opens it)
Local speech servers       direct: Speechmatics v2 on 4701 · modal: streaming_parakeet on 4702
Releases                   r1 speaks to Modal, r2 to Speechmatics with Modal behind it; ${serving} serves now
People                     four callers talk without end, visitors ask about 30 times a second

Try, in another terminal, in this folder:
  npx crossfade status --watch
  npx crossfade deploy canary 10 --release ${other}
  npx crossfade rollback "too slow"
  npx crossfade deploy full --release ${other}
  npx crossfade route use modal
  scripts/emergency-rollback.sh "vendor is down" modal --dry-run
  pkill -f 'local/serve.ts speechmatics'      (kill the vendor and watch the sessions move)

Ctrl-C ends everything.`);
}
