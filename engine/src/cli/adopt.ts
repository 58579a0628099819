// `crossfade adopt URL`: puts Crossfade in front of a service that already runs, and shows that nothing of it
// moved: the same process listens before and after, and the gateway gives the same answers as the service.
import { z } from 'zod';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { nodeHost } from '../host-node.ts';
import { controlClient, project } from './connection.ts';
import { printJson, say } from './render.ts';
import { runVerb, type VerbOptions } from './verb.ts';

const looks = 5;

type Look = { readonly status: number; readonly type: string };

export async function adopt(url: string, options: VerbOptions): Promise<ExitCode> {
  if (!z.url().safeParse(url).success) {
    throw new CrossfadeError('usage', `"${url}" is not a URL`, 'such as http://127.0.0.1:3000');
  }
  const { config } = project(options);
  const before = await look(url, config.health.path);
  if (before === undefined) {
    const text = `nothing answers at ${url}${config.health.path}`;
    throw new CrossfadeError('unreachable', text, 'name the URL at which the service runs now');
  }
  const code = await runVerb('adopt', { url }, { ...options, json: false }, true);
  if (code !== 0 || options.dryRun || options.wait === false) return code;
  const gateway = `http://${config.listen.gateway}`;
  const pairs: [Look | undefined, Look | undefined][] = [];
  for (let turn = 0; turn < looks; turn++) {
    for (const path of ['/', config.health.path])
      pairs.push([await look(url, path), await look(gateway, path)]);
  }
  const same = pairs.filter(([direct, through]) => isSame(direct, through)).length;
  const { environments } = await controlClient(options).status();
  const instance = environments.find((each) => each.role === 'stable')?.instances[0];
  const group = /^adopted-(\d+)$/.exec(instance?.nonce ?? '')?.[1];
  const proof = {
    url,
    gateway,
    sameAnswers: same,
    answers: pairs.length,
    ...(group && { processGroup: Number(group) }),
  };
  if (options.json) printJson(proof);
  else {
    say(`${same} of ${pairs.length} answers through the gateway were those of the service`);
    if (group) say(`process group ${group} serves it, as before: nothing was started, stopped or changed`);
    say(`next: send your users to ${gateway}, then \`crossfade deploy canary 10\``);
  }
  return same === pairs.length ? 0 : 4;
}

async function look(url: string, path: string): Promise<Look | undefined> {
  const request = { method: 'GET', url: new URL(path, url).href, timeoutMs: 5_000 };
  const answer = await nodeHost()
    .http.request(request)
    .catch(() => undefined);
  return answer && { status: answer.status, type: answer.headers['content-type'] ?? '' };
}

function isSame(direct: Look | undefined, through: Look | undefined): boolean {
  return direct !== undefined && direct.status === through?.status && direct.type === through.type;
}
