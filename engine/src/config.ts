// crossfade.yaml: reading it, and errors that name file and line. Unknown keys are refused,
// because a misspelt guard that is ignored is a guard that always passes. Reads text; the caller reads the
// file.
import { isAbsolute, join } from 'node:path';
import { Cron } from 'croner';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { z } from 'zod';
import { configShape, type speechEndpoint } from './config-schema.ts';
import { CrossfadeError, errorText } from './errors.ts';
import { flagMistakes } from './flags/check.ts';
import { definitionsOf, valuesOf } from './flags/from-config.ts';
import type { GuardConfig } from './guard/evidence.ts';
import { plainFlag } from './rollout/flags.ts';
import { mergedRows, type Policy } from './rollout/policy.ts';

export type Config = z.infer<typeof configShape>;
export type SpeechEndpoint = z.infer<typeof speechEndpoint>;

/** The control address as people and CI reach it. */
export function controlOrigin({ listen }: Config): string {
  return `${listen.tls.control ? 'https' : 'http'}://${listen.names[0] ?? listen.control}`;
}

/** The limits of the guards, as a rollout seals them when it begins. */
export function guardLimits(config: Config): GuardConfig {
  const { errors, latency, unavailable, authentication, transcription } = config.guards;
  const { max, minUnits, over, warn } = latency;
  const slow = warn < over ? { warnMs: warn } : {};
  return {
    ...{ errors, transcription },
    authentication: { max: authentication.max, minUnits: authentication.minUnits ?? errors.minUnits },
    latency: { max, minUnits, overMs: over, ...slow },
    unavailableMs: unavailable,
  };
}

/** The decision matrix and whom it tells, in the order of their delays. */
export function policyOf({ policy, contacts, guards }: Config): Policy {
  const own = policy.map(({ when, acknowledge, ...row }) => {
    const { signal, state, over } = when;
    return { ...row, signal, state, acknowledgeMs: acknowledge, ...(over !== undefined && { over }) };
  });
  const people = [contacts.primary, contacts.secondary, contacts.escalation].flatMap((each) =>
    each ? [{ name: each.name, afterMs: each.after, channels: each.channels }] : [],
  );
  return {
    rows: mergedRows(own),
    contacts: people.toSorted((a, b) => a.afterMs - b.afterMs),
    unavailableMs: guards.unavailable,
  };
}

/** JSON Schema of crossfade.yaml, for editors. */
export function configSchema(): unknown {
  return z.toJSONSchema(configShape, { io: 'input', unrepresentable: 'any' });
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
  const parsed = configShape.safeParse(document.toJS() ?? {});
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
    if (!('setWeight' in each)) continue;
    if (each.setWeight <= previous) {
      found.push({
        path: ['rollout', 'steps', index],
        text: `weight ${each.setWeight} does not rise above ${previous}`,
      });
    }
    previous = each.setWeight;
  }
  for (const [index, { cron, timezone }] of config.freezes.entries()) {
    const problem = cronProblem(cron, timezone);
    if (problem !== undefined)
      found.push({ path: ['freezes', index, 'cron'], text: `"${cron}": ${problem}` });
  }
  if (config.app.driver === 'process' && config.app.start === undefined) {
    found.push({ path: ['app'], text: 'start is missing: the command that serves the app on $PORT' });
  }
  if (config.app.driver === 'external' && !config.app.external?.url && !config.app.external?.command) {
    found.push({ path: ['app'], text: 'external.url or external.command is missing' });
  }
  return [
    ...found,
    ...flagChecks(config),
    ...channelChecks(config),
    ...subscribeChecks(config),
    ...nameChecks(config),
    ...networkChecks(config),
  ];
}

function flagChecks({ flags }: Config): Mistake[] {
  const plain = Object.entries(valuesOf(flags)).map(([name, value]) => [name, plainFlag(value)]);
  const set = { ...Object.fromEntries(plain), ...definitionsOf(flags) };
  return flagMistakes(set).map(({ path, text }) => ({ path: ['flags', ...path], text }));
}

/** Channels that routes and contacts name must be there; `in-app` always is. */
function channelChecks({ notify, contacts }: Config): Mistake[] {
  const known = new Set([...Object.keys(notify.channels), 'in-app']);
  const named = [
    ...(notify.routes ?? []).map(({ channels }, index) => ({ path: ['notify', 'routes', index], channels })),
    ...(['primary', 'secondary', 'escalation'] as const).map((each) => ({
      path: ['contacts', each],
      channels: contacts[each]?.channels ?? [],
    })),
  ];
  return named.flatMap(({ path, channels }) =>
    channels
      .filter((each) => !known.has(each))
      .map((each) => ({
        path: [...path, 'channels'],
        text: `there is no channel "${each}" in notify.channels`,
      })),
  );
}

function subscribeChecks({ status, notify }: Config): Mistake[] {
  if (!status.subscribe) return [];
  const channel = notify.channels[status.subscribe.mail];
  const isMail = channel !== undefined && 'smtp' in channel;
  const path = ['status', 'subscribe'];
  return [
    ...(isMail ? [] : [{ path, text: `"${status.subscribe.mail}" is no mail channel of notify.channels` }]),
    ...(status.url === undefined
      ? [{ path, text: 'needs status.url: the links of the mails lead there' }]
      : []),
  ];
}

function nameChecks({ policy }: Config): Mistake[] {
  return policy.flatMap(({ name }, index) =>
    policy.findIndex((each) => each.name === name) < index
      ? [{ path: ['policy', index, 'name'], text: `"${name}" is there twice` }]
      : [],
  );
}

/** Whoever reaches another address than loopback could read tokens on their way: so only with TLS. */
function networkChecks({ listen }: Config): Mistake[] {
  const name = listen.control.slice(0, listen.control.lastIndexOf(':'));
  if (listen.tls.control || name === 'localhost' || /^127(\.\d+){3}$/.test(name)) return [];
  const text = `${listen.control} can be reached from other machines: it needs listen.tls.control`;
  return [{ path: ['listen', 'control'], text }];
}

function cronProblem(cron: string, timezone: string): string | undefined {
  try {
    new Cron(cron, { paused: true, timezone }).nextRun();
    return undefined;
  } catch (error) {
    return errorText(error);
  }
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
