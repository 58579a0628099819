// The schema of crossfade.yaml and its defaults: one place for every key, its unit and its range. Reading the
// text and saying where a mistake stands is config.ts.
import { z } from 'zod';
import { suites } from './api/suites.ts';
import { workloadRule } from './api/workloads.ts';
import { cohortSource, sessionPolicy } from './api/route-table.ts';
import { configuredFlags } from './flags/from-config.ts';
import { isNetwork } from './networks.ts';
import { notifyShape } from './notify-schema.ts';
import { actions, severities, signals } from './rollout/policy.ts';

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

const unitBytes: Record<string, number> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

const hookTimeoutMs = 30_000;

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

const network = z.string().refine(isNetwork, {
  error: ({ input }) => `"${input}" is not an address or a network such as 10.0.0.0/8`,
});

const headerValue = z.union([z.string(), z.strictObject({ env: z.string() })]);

export const speechEndpoint = z.strictObject({
  type: z.enum(['speechmatics', 'modal-parakeet']),
  url: z.string().min(1),
  via: z.enum(['direct', 'relay']).default('direct'),
  headers: z.record(z.string(), headerValue).default({}),
  /** What an hour of audio costs there, in speech.currency: for `crossfade report`. */
  costPerHour: z.number().min(0).optional(),
});

/** 512MiB, 2GiB, 500MB → bytes. */
const size = z.string().transform((text, context) => {
  const match = /^(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|KiB|MiB|GiB)$/.exec(text.trim());
  if (match) return Math.round(Number(match[1]) * unitBytes[match[2]!]!);
  context.addIssue({ code: 'custom', message: `"${text}" is not a size such as 512MiB or 2GiB` });
  return z.NEVER;
});

/** A value that must not stand in the file: where to read it. */
const secretSource = z.union([z.strictObject({ env: z.string() }), z.strictObject({ file: z.string() })]);

const certificate = z.strictObject({ cert: z.string(), key: z.string() });

/** A weight to set and how long to hold it, or a person's approval before the step that follows. */
const step = z.union([
  z.strictObject({ setWeight: z.number().gt(0).lte(100), hold: duration.optional() }),
  z.strictObject({ approve: z.string().min(1).max(200) }),
]);

/** A shell command, run in the folder of crossfade.yaml. */
const hook = z.union([
  z
    .string()
    .min(1)
    .transform((run) => ({ run, timeout: hookTimeoutMs })),
  z.strictObject({ run: z.string().min(1), timeout: duration.prefault('30s') }),
]);

const freezeWindow = z.strictObject({
  /** When it begins: minute, hour, day of month, month, day of week. */
  cron: z.string(),
  for: duration,
  reason: z.string().min(1),
  timezone: z.string().default('UTC'),
});

/** One data source of the app, as crossfade.yaml names it. */
export const dataSource = z.union([
  z.strictObject({ name: z.string().min(1), sqlite: z.string().min(1) }),
  z.strictObject({ name: z.string().min(1), postgres: z.strictObject({ env: z.string() }) }),
  z.strictObject({
    name: z.string().min(1),
    /** Shell commands; the file to write or read is in BACKUP_FILE. */
    save: z.string().min(1),
    restore: z.string().min(1),
    /** Exits with 0 when BACKUP_FILE is whole. */
    check: z.string().min(1).optional(),
  }),
]);
export type DataSource = z.infer<typeof dataSource>;

const s3Target = z.strictObject({
  /** Such as https://s3.eu-central-1.amazonaws.com, or that of another store with this protocol. */
  endpoint: z.url(),
  bucket: z.string().min(1),
  prefix: z.string().default(''),
  region: z.string().default('us-east-1'),
  accessKey: z.strictObject({ env: z.string() }),
  secretKey: z.strictObject({ env: z.string() }),
});
export type S3Target = z.infer<typeof s3Target>;

const backupTarget = z.union([
  z.strictObject({ folder: z.string().min(1) }),
  z.strictObject({ s3: s3Target }),
]);
export type BackupTarget = z.infer<typeof backupTarget>;

const external = z.strictObject({ url: z.url().optional(), command: z.string().optional() });

/** A row of the decision matrix: the first that fits counts, before the rows that are there by default. */
const policyRow = z.strictObject({
  name: z.string().min(1).max(60),
  severity: z.enum(severities),
  when: z.strictObject({
    signal: z.enum(signals),
    state: z.enum(['breach', 'suspect']).default('breach'),
    /** Only above this share. */
    over: share.optional(),
  }),
  /** At once. */
  act: z.enum(actions).default('notify'),
  acknowledge: duration,
  /** When nobody has acknowledged by then. */
  otherwise: z.enum(actions).default('notify'),
});

/** Told so long after the alert, unless somebody has acknowledged it, by channels of `notify`. */
const contact = (after: string) =>
  z.strictObject({
    name: z.string().min(1).max(100),
    after: duration.prefault(after),
    channels: z.array(z.string()).max(10).default([]),
  });

const limits = { max: share.prefault('5%'), minUnits: z.int().min(1).default(50) };

export const configShape = z.strictObject({
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
      /** Further host names, with port, by which people reach the control address. */
      names: z.array(z.string()).default([]),
      /** Networks (CIDR) whose X-Forwarded-* headers are believed; nobody's by default. */
      trustedProxies: z.array(network).max(100).default([]),
      tls: z.strictObject({ gateway: certificate.optional(), control: certificate.optional() }).prefault({}),
    })
    .prefault({}),
  app: z
    .strictObject({
      build: z.string().optional(),
      start: z.string().optional(),
      folder: z.string().default('.'),
      instances: z.int().min(1).max(64).default(1),
      driver: z.enum(['process', 'external']).default('process'),
      env: z
        .strictObject({
          file: z.string().optional(),
          /** Encrypts the values that are sealed with a release; kept outside the state folder. */
          sealKey: secretSource.optional(),
        })
        .prefault({}),
      /** An instance above it is replaced by a new one. */
      memory: z.strictObject({ max: size.optional() }).prefault({}),
      /** How many instances may be added to an environment that has become slow. */
      scale: z.strictObject({ max: z.int().min(1).max(64).optional() }).prefault({}),
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
      endpoints: z.record(z.string(), speechEndpoint).default({}),
      routes: z.array(z.string()).default([]),
      currency: z.string().min(1).max(10).default('USD'),
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
      /** Suites of `crossfade validate` that the candidate must pass before it has traffic, and at 100 %. */
      validate: z
        .strictObject({
          before: z.array(z.enum(suites)).default([]),
          after: z.array(z.enum(suites)).default([]),
          timeout: duration.prefault('5m'),
        })
        .prefault({}),
      /** What a deploy does while another rollout is stepping. */
      supersede: z.enum(['refuse', 'replace', 'queue']).default('refuse'),
      /** Who approves must not be who deployed. */
      fourEyes: z.boolean().default(false),
    })
    .prefault({}),
  guards: z
    .strictObject({
      errors: z.strictObject(limits).prefault({}),
      latency: z
        .strictObject({ over: duration.prefault('5s'), warn: duration.prefault('3s'), ...limits })
        .prefault({}),
      unavailable: duration.prefault('30s'),
      /** Answers with 401 or 403; below twice the stable side's share it is no breach. */
      authentication: z
        .strictObject({ max: share.prefault('20%'), minUnits: z.int().min(1).optional() })
        .prefault({}),
      /** Voice sessions that met a failure, as clients say. */
      transcription: z
        .strictObject({ max: share.prefault('10%'), minUnits: z.int().min(1).default(10) })
        .prefault({}),
    })
    .prefault({}),
  /** The decision matrix; `crossfade policy` shows what is in force. */
  policy: z.array(policyRow).max(50).default([]),
  /** The public page; see docs/status-and-incidents.md. */
  status: z
    .strictObject({
      title: z.string().min(1).max(200).optional(),
      /** Where people find it, such as https://example.org/status. */
      url: z.url().optional(),
      contact: z.string().max(300).optional(),
      /** People may ask to be told by mail: sent by this channel of `notify`; needs `url`. */
      subscribe: z.strictObject({ mail: z.string() }).optional(),
      /** Tell how many people a new version has reached. */
      showRollout: z.boolean().default(false),
      /** Parts by the names that people know; `route:NAME` is a speech route. */
      components: z
        .array(
          z.strictObject({
            name: z.string().min(1).max(100),
            probe: z.string().regex(/^(application|voice|deployment|route:.+)$/, 'is no probe'),
          }),
        )
        .min(1)
        .max(30)
        .optional(),
    })
    .prefault({}),
  contacts: z
    .strictObject({
      primary: contact('0s').optional(),
      secondary: contact('5m').optional(),
      escalation: contact('15m').optional(),
    })
    .prefault({}),
  /** Whom it tells, and how. */
  notify: notifyShape({ duration, secret: secretSource }).prefault({}),
  freezes: z.array(freezeWindow).default([]),
  hooks: z
    .strictObject({
      'pre-deploy': hook.optional(),
      'post-deploy': hook.optional(),
      'on-rollback': hook.optional(),
      /** Purge what outlives a bad release elsewhere, such as a CDN; run after a rollback's weights. */
      purge: z.array(hook).max(8).default([]),
    })
    .prefault({}),
  /** A page's own assets and calls stay on the release that made the page, this long. */
  skew: z.strictObject({ pin: duration.optional() }).prefault({}),
  retention: z
    .strictObject({
      releases: z.int().min(2).default(10),
      logs: duration.prefault('14d'),
      journal: duration.prefault('90d'),
      /** Hourly counts of use, from which KPIs and reports are made. */
      telemetry: duration.prefault('90d'),
      /** Free space under which people are warned. */
      diskLow: size.prefault('1GiB'),
    })
    .prefault({}),
  /** A Prometheus that boards of the dashboard may ask; what it is asked is what people write there. */
  metrics: z.strictObject({ prometheus: z.url().optional() }).prefault({}),
  /** Where rollouts are told as OpenTelemetry traces: OTLP over HTTP, http://127.0.0.1:4318/v1/traces. */
  tracing: z
    .strictObject({ otlp: z.url().optional(), headers: z.record(z.string(), headerValue).default({}) })
    .prefault({}),
  /** What `crossfade validate` looks at, and its limits. */
  validate: z
    .strictObject({
      /** Which suites run where none are named; all where this is empty. */
      suites: z.array(z.enum(suites)).default([]),
      /** From here everything that is served is found. */
      pages: z.array(z.string().startsWith('/')).min(1).max(50).default(['/']),
      token: z
        .strictObject({
          path: z.string().startsWith('/'),
          /** Of somebody who is signed in. */
          headers: z.record(z.string(), headerValue).default({}),
        })
        .optional(),
      websocket: z.string().startsWith('/').optional(),
      /** Where people come by plain http, to be led to https; port 80 of the same host unless told. */
      plain: z.url({ protocol: /^http$/ }).optional(),
      /** A synthetic caller speaks a clip of its own or this one. */
      speech: z
        .strictObject({
          plan: z.string().startsWith('/').default('/api/session-plan'),
          headers: z.record(z.string(), headerValue).default({}),
          clip: z.strictObject({ file: z.string(), text: z.string().min(1) }).optional(),
          language: z.string().default('en'),
          errors: share.prefault('25%'),
          firstText: duration.prefault('2s'),
        })
        .optional(),
      response: duration.prefault('3s'),
      errors: share.prefault('5%'),
      pageLoad: duration.prefault('5s'),
    })
    .prefault({}),
  /** What must be right before a go-live. */
  preflight: z
    .strictObject({
      /** Commands that must end well; what package.json has no script for is told as unknown. */
      tests: z
        .array(z.string().min(1))
        .max(20)
        .default(['npm test', 'npm run test:integration', 'npm run test:migration']),
      /** Of each command. */
      timeout: duration.prefault('20m'),
      backupWithin: duration.prefault('24h'),
      rehearsedWithin: duration.prefault('7d'),
    })
    .prefault({}),
  backup: z
    .strictObject({
      target: backupTarget.default({ folder: '.crossfade/backups' }),
      /** What the app keeps beside its code. */
      data: z.array(dataSource).max(20).default([]),
      /** A deploy is refused unless a backup was verified so lately; off where it is not named. */
      requireVerifiedWithin: duration.optional(),
      keep: z
        .strictObject({
          within: duration.prefault('30d'),
          last: z.int().min(1).max(1_000).default(5),
          monthly: z.int().min(0).max(120).default(12),
        })
        .prefault({}),
    })
    .prefault({}),
  flags: configuredFlags,
  /** Who is let in besides those with a token: CI jobs, by the OIDC token of their platform. */
  access: z.strictObject({ workloads: z.array(workloadRule).max(20).default([]) }).prefault({}),
  destinations: z
    .record(
      z.string(),
      z.strictObject({
        url: z.url(),
        token: secretSource.optional(),
        /** A certificate (PEM file) to trust besides the system's. */
        ca: z.string().optional(),
      }),
    )
    .default({}),
});
