// `crossfade validate [url]`: looks at the app as strangers and as signed-in people see it. Without an
// address it looks at this folder's gateway, or at an environment that has no traffic yet.
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseEnv } from 'node:util';
import type { StatusView } from '../api/control.ts';
import { suites, type Suite } from '../api/suites.ts';
import { resolveFrom, type Config } from '../config.ts';
import { CrossfadeError, errorText, type ExitCode } from '../errors.ts';
import { checksOf } from '../validate/all-checks.ts';
import { exitCodeOf, runChecks, type World } from '../validate/check.ts';
import {
  findingLine,
  reporterNames,
  reporters,
  sentence,
  type Report,
  type ReporterName,
} from '../validate/reporters.ts';
import { Site } from '../validate/site.ts';
import { controlClient, findFolder, project, type GlobalOptions, type Project } from './connection.ts';
import { print, say } from './render.ts';

export type ValidateOptions = GlobalOptions & {
  readonly suite?: string;
  readonly environment?: string;
  readonly release?: string;
  readonly reporter?: string;
};

/** Shorter values stand in pages by chance. */
const shortestSecret = 8;
const defaults = { responseMs: 3_000, errorShare: 0.05, pageLoadMs: 5_000 };

export async function validate(url: string | undefined, options: ValidateOptions): Promise<ExitCode> {
  const outputs = outputsOf(options);
  const found = findFolder(options) === undefined ? undefined : project(options);
  const configured = found?.config.validate.suites ?? [];
  const wanted = suitesOf(options.suite ?? (configured.length > 0 ? configured.join() : undefined));
  const { world, target } = await worldOf(url, options, found);
  const isPretty = outputs.some(({ name, path }) => name === 'pretty' && path === undefined);
  if (isPretty) say(`validating ${target}`);
  const findings = await runChecks(checksOf(wanted), world, (finding) => {
    if (isPretty) print(findingLine(finding));
  });
  const report: Report = { target, at: Date.now(), findings };
  for (const { name, path } of outputs) give(report, name, path);
  if (found) await record(report, world.release, options);
  return exitCodeOf(findings);
}

/** For the dashboard, where there is a controller; what was found stands without it. */
async function record({ target, findings }: Report, release: string | undefined, options: ValidateOptions) {
  const told = findings.map(({ id, suite, severity, what, verdict, measured, todo }) => ({
    ...{ id, suite, severity, verdict, what: what.slice(0, 300) },
    ...{ measured: measured.slice(0, 1_000), todo: todo.slice(0, 500) },
  }));
  try {
    const about = { target, ...(release !== undefined && { release }), findings: told };
    await controlClient(options).recordValidation(about);
  } catch (error) {
    // To look at an app no controller is needed.
    if (error instanceof CrossfadeError && error.code === 'unreachable') return;
    say(`not in the record of validations: ${errorText(error)}`);
  }
}

function give(report: Report, name: ReporterName, path: string | undefined): void {
  const summary = process.env['GITHUB_STEP_SUMMARY'];
  if (name === 'github' && summary) appendFileSync(summary, `${reporters.markdown(report)}\n`);
  // Its lines were printed as they came.
  const text = name === 'pretty' && path === undefined ? sentence(report) : reporters[name](report);
  if (path === undefined) print(text);
  else writeFileSync(path, `${text}\n`);
}

function suitesOf(text: string | undefined): readonly Suite[] {
  if (text === undefined) return suites;
  const names = text.split(',').map((each) => each.trim());
  const strange = names.find((name) => !suites.some((suite) => suite === name));
  if (strange === undefined) return suites.filter((suite) => names.includes(suite));
  throw new CrossfadeError('usage', `there is no suite "${strange}"`, `there are ${suites.join(', ')}`);
}

type Output = { readonly name: ReporterName; readonly path: string | undefined };

/** `pretty,junit=report.xml`. */
function outputsOf({ reporter, json }: ValidateOptions): Output[] {
  const text = reporter ?? (json ? 'json' : 'pretty');
  return text.split(',').map((each) => {
    const [name = '', path] = each.trim().split('=');
    const known = reporterNames.find((one) => one === name);
    if (known) return { name: known, path };
    const hint = `there are ${reporterNames.join(', ')}; NAME=FILE writes a file`;
    throw new CrossfadeError('usage', `there is no reporter "${name}"`, hint);
  });
}

async function worldOf(
  url: string | undefined,
  options: ValidateOptions,
  found: Project | undefined,
): Promise<{ readonly world: World; readonly target: string }> {
  const place = url === undefined ? await localPlace(options, found) : { url: addressOf(url) };
  const config = found?.config;
  const { validate: settings, health } = config ?? {};
  const release = options.release ?? place.release;
  const pages = settings?.pages ?? ['/'];
  const world: World = {
    site: new Site(place.url, pages),
    healthPath: health?.path ?? '/api/health',
    limits: settings
      ? { responseMs: settings.response, errorShare: settings.errors, pageLoadMs: settings.pageLoad }
      : defaults,
    secrets: found ? secretsOf(found) : {},
    ...(release !== undefined && { release }),
    ...fieldOf(config),
    ...(place.baseline && { baseline: new Site(place.baseline, pages) }),
    ...(settings?.token && {
      token: { path: settings.token.path, headers: headersOf(settings.token.headers) },
    }),
    ...(found && speechOf(found)),
    ...(settings?.websocket !== undefined && { webSocketPath: settings.websocket }),
    ...(settings?.plain !== undefined && { plainUrl: new URL(settings.plain) }),
    ...(found && { folder: found.folder }),
  };
  return { world, target: place.url.origin };
}

const ownClip = {
  file: fileURLToPath(new URL('../../assets/probe-clip.wav', import.meta.url)),
  text: 'this morning the weather was cold and the children went to school by train',
};

/** What the synthetic caller says and where; nothing where no plan is named. */
export function speechOf({ folder, config }: Project): Pick<World, 'speech'> {
  const { speech } = config.validate;
  if (!speech) return {};
  const clip = speech.clip ? { ...speech.clip, file: resolveFrom(folder, speech.clip.file) } : ownClip;
  return {
    speech: {
      ...{ planPath: speech.plan, headers: headersOf(speech.headers), clip: clip.file, text: clip.text },
      ...{ language: speech.language, errors: speech.errors, firstTextMs: speech.firstText },
    },
  };
}

function fieldOf(config: Config | undefined): { releaseField?: string } {
  if (!config) return { releaseField: '$.release' };
  return config.health.release.startsWith('$') ? { releaseField: config.health.release } : {};
}

export function addressOf(text: string): URL {
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return new URL(text);
  throw new CrossfadeError('usage', `"${text}" is not an address`, 'such as https://voice.example.org');
}

export function gatewayAddress({ listen }: Config): URL {
  return new URL(`${listen.tls.gateway ? 'https' : 'http'}://${listen.gateway}`);
}

type Place = { readonly url: URL; readonly release?: string; readonly baseline?: URL };

/** The gateway of this folder, or an instance of an environment beside one of the stable side. */
async function localPlace(options: ValidateOptions, found: Project | undefined): Promise<Place> {
  if (!found) {
    const hint = '`crossfade validate https://…`, or run it in the folder of crossfade.yaml';
    throw new CrossfadeError('config-missing', 'there is no address and no crossfade.yaml', hint);
  }
  const gateway = gatewayAddress(found.config);
  if (options.environment === undefined) {
    const status = await controlClient(options)
      .status()
      .catch(() => undefined);
    const release = status && soleRelease(status);
    return { url: gateway, ...(release !== undefined && { release }) };
  }
  const { environments } = await controlClient(options).status();
  const named = environments.find(({ environment }) => environment === options.environment);
  const instance = named?.instances.find(({ state }) => state === 'ready');
  if (!named || !instance) {
    const text = `no instance is ready in "${options.environment}"`;
    throw new CrossfadeError('refused', text, 'see `crossfade status`; environments are blue and green');
  }
  const stable = environments.find(({ role }) => role === 'stable' && named.role !== 'stable');
  const other = stable?.instances.find(({ state }) => state === 'ready');
  return {
    url: new URL(instance.url),
    ...(named.release !== undefined && { release: named.release }),
    ...(other && { baseline: new URL(other.url) }),
  };
}

/** The release that answers everybody; undefined while there are two. */
function soleRelease({ environments }: StatusView): string | undefined {
  return environments.find(({ weightPercent }) => weightPercent === 100)?.release;
}

/** Values of the environment file, and those of the variables that relayed endpoints name. */
function secretsOf({ folder, config }: Project): Record<string, string> {
  const { file } = config.app.env;
  const path = file === undefined ? undefined : resolveFrom(folder, file);
  const known = path !== undefined && existsSync(path) ? parseEnv(readFileSync(path, 'utf8')) : {};
  const headers = Object.values(config.speech.endpoints).flatMap((each) => Object.values(each.headers));
  const named = headers.flatMap((each) => (typeof each === 'string' ? [] : [each.env]));
  const given = named.map((name) => [name, process.env[name]] as const);
  const all = [...Object.entries(known), ...given].filter(([name, value]) => isSecret(name, value));
  return Object.fromEntries(all) as Record<string, string>;
}

/** Addresses and words are no secrets; what the build makes public has checks of its own. */
function isSecret(name: string, value: string | undefined): boolean {
  if (value === undefined || value.length < shortestSecret || /^https?:\/\/[^@]*$/.test(value)) return false;
  return /KEY|SECRET|TOKEN|PASSWORD|CREDENTIAL|DSN|DATABASE|_URL$/.test(name) || /\d/.test(value);
}

function headersOf(
  given: Readonly<Record<string, string | { readonly env: string }>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(given).flatMap(([name, value]) => {
      const text = typeof value === 'string' ? value : process.env[value.env];
      return text === undefined ? [] : [[name, text]];
    }),
  );
}
