// The lines of a preflight that others answer for: LiveKit, GitHub, Slack. Without a credential or an answer
// they are unknown. Secrets are used and never shown.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { SignJWT } from 'jose';
import { parse } from 'yaml';
import { resolveFrom } from '../config.ts';
import { errorText } from '../errors.ts';
import { workflowPath } from '../workflow/workflow-file.ts';
import type { Project } from './connection.ts';
import { packageOf, type Found, type PreflightLine } from './preflight.ts';
import { span } from './preflight-running.ts';
import { tellSlack } from './slack.ts';

const askMs = 10_000;
/** Where secrets lie that every job is given. */
const everywhere = ['actions/secrets', 'actions/organization-secrets'];
const liveKitNames = ['LIVEKIT_URL', 'LIVEKIT_API_KEY', 'LIVEKIT_API_SECRET'] as const;

export function remoteLines(found: Project): PreflightLine[] {
  return [
    {
      line: 'livekit',
      todo: `set ${liveKitNames.join(', ')} in app.env.file to what LiveKit accepts`,
      look: () => liveKit(found),
    },
    {
      line: 'github-secrets',
      todo: 'add them under Settings, Secrets and variables, Actions',
      look: () => gitHubSecrets(found.folder),
    },
    {
      line: 'slack',
      todo: 'correct SLACK_WEBHOOK_URL',
      look: async () => {
        const told = await tellSlack(`crossfade preflight of ${found.config.service}: a test message`);
        const verdict = told.kind === 'told' ? 'pass' : told.kind === 'failed' ? 'fail' : 'unknown';
        return { verdict, text: told.kind === 'told' ? 'a test message was taken' : told.text };
      },
    },
    {
      line: 'digest',
      todo: 'name a channel under notify.channels; `crossfade notify test` tries it',
      look: () => digestLine(found),
    },
  ];
}

function digestLine({ config }: Project): Found {
  const names = Object.keys(config.notify.channels);
  if (names.length === 0)
    return { verdict: 'unknown', text: 'there is no channel: nobody hears of the bake' };
  return { verdict: 'pass', text: `each ${span(config.notify.digest)} to ${names.join(', ')}` };
}

/** Asks the LiveKit server for its rooms, as its server SDKs do (RoomService/ListRooms by Twirp). */
async function liveKit({ folder, config }: Project): Promise<Found> {
  const { file } = config.app.env;
  const path = file === undefined ? undefined : resolveFrom(folder, file);
  const known = path !== undefined && existsSync(path) ? parseEnv(readFileSync(path, 'utf8')) : {};
  const [url, key, secret] = liveKitNames.map((name) => known[name] ?? process.env[name] ?? '');
  const missing = liveKitNames.filter((_name, index) => ![url, key, secret][index]);
  if (missing.length === liveKitNames.length && !usesLiveKit(folder))
    return { verdict: 'pass', text: 'LiveKit is not used: no variable and no dependency names it' };
  if (missing.length > 0) return { verdict: 'fail', text: `missing: ${missing.join(', ')}` };
  if (!/^(wss?|https?):\/\//.test(url!) || !URL.canParse(url!))
    return { verdict: 'fail', text: 'LIVEKIT_URL is no address such as wss://name.livekit.cloud' };
  const token = await new SignJWT({ video: { roomList: true } })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(key!)
    .setExpirationTime('60s')
    .sign(new TextEncoder().encode(secret));
  const address = new URL('/twirp/livekit.RoomService/ListRooms', url!.replace(/^ws/, 'http'));
  const answer = await fetch(address, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: '{}',
    signal: AbortSignal.timeout(askMs),
  }).catch((error: unknown) => errorText(error));
  if (typeof answer === 'string') return { verdict: 'unknown', text: `LiveKit does not answer: ${answer}` };
  if (answer.ok) return { verdict: 'pass', text: `LiveKit at ${address.host} takes the key` };
  const isRefused = answer.status === 401 || answer.status === 403;
  const text = `LiveKit at ${address.host} answers ${answer.status}`;
  return { verdict: isRefused ? 'fail' : 'unknown', text };
}

function usesLiveKit(folder: string): boolean {
  const { dependencies, devDependencies } = packageOf(folder);
  return Object.keys({ ...(dependencies as object), ...(devDependencies as object) }).some((name) =>
    name.includes('livekit'),
  );
}

/** Of a job of the workflow: secrets that it reads, and the environment whose secrets it also gets. */
type Reader = { readonly environment: string | undefined; readonly secrets: readonly string[] };

function readersOf(text: string): Reader[] {
  const { jobs } = parse(text) as { jobs?: Record<string, { environment?: string | { name?: string } }> };
  return Object.values(jobs ?? {}).flatMap((job) => {
    const named = JSON.stringify(job).matchAll(/\bsecrets\.([A-Za-z0-9_]+)/g);
    const secrets = [...new Set([...named].map((match) => match[1]!))].filter(
      (name) => name !== 'GITHUB_TOKEN',
    );
    const { environment: place } = job;
    const environment = typeof place === 'string' ? place : place?.name;
    return secrets.length > 0 ? [{ environment, secrets }] : [];
  });
}

/** Secrets that the jobs of the workflow read, against those that each of them is given. */
async function gitHubSecrets(folder: string): Promise<Found> {
  const path = join(folder, workflowPath);
  if (!existsSync(path)) return { verdict: 'unknown', text: `there is no ${workflowPath}` };
  const readers = readersOf(readFileSync(path, 'utf8'));
  const wanted = [...new Set(readers.flatMap(({ secrets }) => secrets))].join(', ');
  if (readers.length === 0) return { verdict: 'pass', text: 'the workflow reads no secret' };
  const token = process.env['GITHUB_TOKEN'] ?? process.env['GH_TOKEN'];
  if (!token) return { verdict: 'unknown', text: `${wanted}: not looked at without a GITHUB_TOKEN` };
  const repository = process.env['GITHUB_REPOSITORY'] ?? repositoryOf(folder);
  if (repository === undefined) return { verdict: 'unknown', text: 'the remote is no repository of GitHub' };
  const given = new Map<string, readonly string[]>();
  const places = new Set(
    readers.flatMap(({ environment }) => (environment ? [`environments/${environment}/secrets`] : [])),
  );
  for (const place of [...everywhere, ...places]) {
    const answer = await askGitHub(`/repos/${repository}/${place}?per_page=100`, token);
    if ('problem' in answer) return { verdict: 'unknown', text: answer.problem };
    given.set(place, answer.names);
  }
  const missing = readers.flatMap(({ environment, secrets }) => {
    const own = environment ? [`environments/${environment}/secrets`] : [];
    const names = [...everywhere, ...own].flatMap((place) => given.get(place) ?? []);
    return secrets.filter((name) => !names.includes(name));
  });
  if (missing.length > 0)
    return { verdict: 'fail', text: `${repository} lacks ${[...new Set(missing)].join(', ')}` };
  return { verdict: 'pass', text: `${repository} has ${wanted}` };
}

function repositoryOf(folder: string): string | undefined {
  try {
    const args = ['remote', 'get-url', 'origin'];
    const url = execFileSync('git', args, {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return /github\.com[:/]([\w.-]+\/[\w.-]+?)(?:\.git)?\s*$/.exec(url)?.[1];
  } catch {
    // No checkout, or no remote.
    return undefined;
  }
}

type Secrets = { readonly names: readonly string[] } | { readonly problem: string };

/** An environment that does not exist has no secrets, nor has the organisation of a person. */
async function askGitHub(path: string, token: string): Promise<Secrets> {
  const api = process.env['GITHUB_API_URL'] ?? 'https://api.github.com';
  try {
    const answer = await fetch(`${api}${path}`, {
      headers: { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json' },
      signal: AbortSignal.timeout(askMs),
    });
    if (answer.status === 404 && !path.includes('/actions/secrets')) return { names: [] };
    if (!answer.ok) return { problem: `GitHub answers ${answer.status}: may the token read secrets?` };
    const { secrets } = (await answer.json()) as { secrets: readonly { name: string }[] };
    return { names: secrets.map(({ name }) => name) };
  } catch (error) {
    return { problem: `GitHub does not answer: ${errorText(error)}` };
  }
}
