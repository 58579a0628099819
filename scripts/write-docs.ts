// Writes docs/configuration.md from the schema and docs/cli.md from the command table; a test holds that
// both are current.
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { commandTable } from '../engine/src/cli/cli.ts';
import { configSchema } from '../engine/src/config.ts';
import { effectOf } from '../engine/src/controller/applied-config.ts';

type Schema = {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly pattern?: string;
};

export function configurationPage(): string {
  const rows = rowsOf(configSchema() as Schema, []);
  return [
    '# Configuration',
    '',
    'Every key of `crossfade.yaml`, made from its schema by `npm run docs`. Durations: `250ms`, `30s`,',
    '`10m`, `24h`, `7d`; sizes: `512MiB`; shares: `5%`. Unknown keys are refused with their line. A change',
    'counts after `crossfade apply`: at once (live), with the next deploy, the next release, or a restart.',
    '',
    '| key | value | default | a change counts |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function rowsOf(schema: Schema, path: readonly string[]): string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([key, each]) => {
    const here = [...path, key];
    if (each.type === 'object' && each.properties) return rowsOf(each, here);
    const given = each.default === undefined ? '' : `\`${JSON.stringify(each.default)}\``;
    const cells = [`\`${here.join('.')}\``, valueOf(each), given, effectOf(here)];
    return [`| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`];
  });
}

function valueOf(schema: Schema): string {
  if (schema.enum) return schema.enum.map((each) => `\`${String(each)}\``).join(', ');
  if (schema.anyOf) return [...new Set(schema.anyOf.map(valueOf))].join(' or ');
  if (schema.type === 'array') return `list of ${schema.items ? valueOf(schema.items) : 'values'}`;
  if (schema.type === 'object' && schema.properties) {
    const keys = Object.keys(schema.properties).map((key) =>
      schema.required?.includes(key) ? key : `${key}?`,
    );
    return `{ ${keys.join(', ')} }`;
  }
  if (schema.type === 'object') return 'names and values';
  const range = [schema.minimum, schema.maximum].filter((each) => each !== undefined && Math.abs(each) < 1e9);
  return `${[schema.type ?? 'value'].flat().join(' or ')}${range.length > 0 ? ` (${range.join(' to ')})` : ''}`;
}

export function cliPage(): string {
  const program = commandTable(() => undefined);
  const global = program.options.map(({ flags, description }) => `- \`${flags}\` ${description}`);
  const exits =
    'Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 environment, 4 inconclusive, 5 refused, ' +
    '130 interrupted.';
  return [
    '# Commands',
    '',
    'Made from the command table by `npm run docs`. `crossfade COMMAND --help` says the same.',
    '',
    exits,
    '',
    ...global,
    '',
    ...program.commands.flatMap((command) => sectionOf(command, 'crossfade')),
  ].join('\n');
}

function sectionOf(command: Command, before: string): string[] {
  const name = `${before} ${command.name()}`;
  if (command.commands.length > 0) {
    const own =
      command.registeredArguments.length + command.options.length > 0 ? entryOf(command, before) : [];
    return [...own, ...command.commands.flatMap((each) => sectionOf(each, name))];
  }
  return entryOf(command, before);
}

function entryOf(command: Command, before: string): string[] {
  const given = command.registeredArguments.map((each) =>
    each.required ? `<${each.name()}>` : `[${each.name()}]`,
  );
  const options = command.options.map(({ flags, description }) => `- \`${flags}\` ${description}`);
  const head = [before, command.name(), ...given].join(' ');
  return [
    `## \`${head}\``,
    '',
    `${command.description()}.`,
    '',
    ...options,
    ...(options.length > 0 ? [''] : []),
  ];
}

if (import.meta.main) {
  writeFileSync(new URL('../docs/configuration.md', import.meta.url), configurationPage());
  writeFileSync(new URL('../docs/cli.md', import.meta.url), cliPage());
}
