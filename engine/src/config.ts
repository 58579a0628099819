// crossfade.yaml: its schema, its defaults, and errors that name file and line. Unknown keys are refused,
// because a misspelt guard that is ignored is a guard that always passes. Reads text; the caller reads the
// file.
import { isAbsolute, join } from 'node:path';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import { CrossfadeError } from './errors.ts';
import { cohortSource, sessionPolicy } from './api/route-table.ts';
import type { GuardConfig } from './guard/evidence.ts';

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `250ms`, `30s`, `10m`, `24h`, `7d` → ms. */
export function durationMs(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  return match ? Number(match[1]) * (unitMs[match[2]!] ?? Number.NaN) : undefined;
}

const duration = z.string().transform((text, context) => {
  const ms = durationMs(text);
  if (ms !== undefined) return ms;
  context.addIssue({ code: 'custom', message: `"${text}" is not a duration such as 30s, 10m or 24h` });
  return z.NEVER;
});

const share = z.union([z.string(), z.number()]).transform((given, context) => {
  const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(String(given));
  const value = match ? Number(match[1]) / 100 : typeof given === 'number' ? given : Number.NaN;
  if (value >= 0 && value <= 1) return value;
  context.addIssue({ code: 'custom', message: `"${given}" is not a share such as 5% or 0.05` });
  return z.NEVER;
});

const address = z
  .string()
  .regex(/^[^\s:]+:\d{1,5}$/, 'is not an address such as 127.0.0.1:8080')
  .refine((text) => Number(text.split(':')[1]) <= 65_535, 'has a port above 65535');

const headerValue = z.union([z.string(), z.strictObject({ env: z.string() })]);

const endpoint = z.strictObject({
  type: z.enum(['speechmatics', 'modal-parakeet']),
  url: z.string().min(1),
  via: z.enum(['direct', 'relay']).default('direct'),
  headers: z.record(z.string(), headerValue).default({}),
});

const step = z.strictObject({ setWeight: z.number().gt(0).lte(100), hold: duration.optional() });

const external = z.strictObject({ url: z.url().optional(), command: z.string().optional() });

const limits = { max: share.prefault('5%'), minUnits: z.int().min(1).default(50) };

const schema = z.strictObject({
  service: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,39}$/, 'is not a name of lower-case letters, digits and dashes'),
  source: z
    .strictObject({ path: z.string().default('.'), remote: z.string().default('origin') })
    .prefault({}),
  listen: z
    .strictObject({
      gateway: address.default('127.0.0.1:8080'),
      control: address.default('127.0.0.1:4600'),
    })
    .prefault({}),
  app: z
    .strictObject({
      build: z.string().optional(),
      start: z.string().optional(),
      folder: z.string().default('.'),
      instances: z.int().min(1).max(64).default(1),
      driver: z.enum(['process', 'external']).default('process'),
      env: z.strictObject({ file: z.string().optional() }).prefault({}),
      external: external.optional(),
      grace: duration.prefault('30s'),
    })
    .prefault({}),
  health: z
    .strictObject({
      path: z.string().startsWith('/').default('/api/health'),
      release: z.string().default('$.release'),
      instance: z.string().default('$.instance'),
      interval: duration.prefault('1s'),
      timeout: duration.prefault('5s'),
      ready: duration.prefault('60s'),
    })
    .prefault({}),
  cohort: z.array(cohortSource).default([{ header: 'x-crossfade-key' }, { cookie: 'crossfade', mint: true }]),
  speech: z
    .strictObject({
      endpoints: z.record(z.string(), endpoint).default({}),
      routes: z.array(z.string()).default([]),
    })
    .prefault({}),
  rollout: z
    .strictObject({
      steps: z.array(step).default([
        { setWeight: 10, hold: 600_000 },
        { setWeight: 25, hold: 600_000 },
        { setWeight: 75, hold: 600_000 },
      ]),
      bake: duration.prefault('24h'),
      standby: duration.prefault('24h'),
      sessions: sessionPolicy.default('stay'),
    })
    .prefault({}),
  guards: z
    .strictObject({
      errors: z.strictObject(limits).prefault({}),
      latency: z.strictObject({ over: duration.prefault('5s'), ...limits }).prefault({}),
      unavailable: duration.prefault('30s'),
    })
    .prefault({}),
  flags: z.record(z.string(), z.union([z.boolean(), z.string(), z.number()])).default({}),
  destinations: z
    .record(
      z.string(),
      z.strictObject({ url: z.url(), token: z.strictObject({ env: z.string() }).optional() }),
    )
    .default({}),
});

export type Config = z.infer<typeof schema>;
export type SpeechEndpoint = z.infer<typeof endpoint>;

/** The limits of the guards, as a rollout seals them when it begins. */
export function guardLimits(config: Config): GuardConfig {
  const { errors, latency, unavailable } = config.guards;
  const { max, minUnits, over } = latency;
  return { errors, latency: { max, minUnits, overMs: over }, unavailableMs: unavailable };
}

/** JSON Schema of crossfade.yaml, for editors. */
export function configSchema(): unknown {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
}

/** Parses and checks; throws `config-invalid` with one `file:line: key: problem` line for each mistake. */
export function parseConfig(text: string, file: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  if (document.errors.length > 0) {
    const found = document.errors.map(
      (each) => `${file}:${each.linePos?.[0].line ?? 1}: ${firstLine(each.message)}`,
    );
    throw new CrossfadeError(
      'config-invalid',
      found.join('\n'),
      'correct the file, then run `crossfade doctor`',
    );
  }
  const parsed = schema.safeParse(document.toJS() ?? {});
  const mistakes = parsed.success ? crossChecks(parsed.data) : parsed.error.issues.map(issueOf);
  if (mistakes.length > 0 || !parsed.success) {
    const found = mistakes.map(
      (each) => `${file}:${lineOf(document, lines, each.path)}: ${each.path.join('.')}: ${each.text}`,
    );
    throw new CrossfadeError(
      'config-invalid',
      found.join('\n'),
      'correct the file, then run `crossfade doctor`',
    );
  }
  return parsed.data;
}

type Mistake = { readonly path: readonly PropertyKey[]; readonly text: string };

function issueOf(issue: z.core.$ZodIssue): Mistake {
  if (issue.code === 'unrecognized_keys') {
    return { path: [...issue.path, issue.keys[0]!], text: `unknown key "${issue.keys.join('", "')}"` };
  }
  return { path: issue.path, text: issue.message };
}

function crossChecks(config: Config): Mistake[] {
  const found: Mistake[] = [];
  for (const [index, name] of config.speech.routes.entries()) {
    if (config.speech.endpoints[name] === undefined) {
      found.push({ path: ['speech', 'routes', index], text: `"${name}" is not one of speech.endpoints` });
    }
  }
  let previous = 0;
  for (const [index, each] of config.rollout.steps.entries()) {
    if (each.setWeight <= previous) {
      found.push({
        path: ['rollout', 'steps', index],
        text: `weight ${each.setWeight} does not rise above ${previous}`,
      });
    }
    previous = each.setWeight;
  }
  if (config.app.driver === 'process' && config.app.start === undefined) {
    found.push({ path: ['app'], text: 'start is missing: the command that serves the app on $PORT' });
  }
  if (config.app.driver === 'external' && !config.app.external?.url && !config.app.external?.command) {
    found.push({ path: ['app'], text: 'external.url or external.command is missing' });
  }
  return found;
}

function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const keys = path.slice(0, length);
    const parent = keys.length === 1 ? document.contents : document.getIn(keys.slice(0, -1), true);
    const pair = (
      parent as { items?: { key?: { value?: unknown; range?: [number] } }[] } | undefined
    )?.items?.find((each) => each?.key?.value === keys.at(-1));
    const node = document.getIn(keys, true) as { range?: [number] } | undefined;
    const offset = pair?.key?.range?.[0] ?? node?.range?.[0];
    if (offset !== undefined) return lines.linePos(offset).line;
  }
  return 1;
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!;
}

/** A path of the configuration, relative to the folder of the file. */
export function resolveFrom(folder: string, path: string): string {
  return isAbsolute(path) ? path : join(folder, path);
}
