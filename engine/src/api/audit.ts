// A line of the audit: who did or tried what, from where, and what came of it. Shared by the controller that
// writes it and the CLI that shows and exports it. A line never holds a body, a query or a credential.
import { z } from 'zod';
import { productVersion } from './version.ts';

export const auditActor = z.object({
  name: z.string(),
  kind: z.enum(['local', 'token', 'page', 'workload', 'nobody', 'gateway', 'slack']),
  via: z.enum(['socket', 'tcp', 'gateway']),
});
export type AuditActor = z.infer<typeof auditActor>;

export const auditEntry = z.object({
  /** Wall time, ms since 1970. */
  at: z.number(),
  actor: auditActor,
  action: z.string(),
  target: z.string().optional(),
  /** `denied`: not let in, or not understood. `failed`: let in, and refused by the state of things. */
  outcome: z.enum(['allowed', 'denied', 'failed']),
  reason: z.string().optional(),
  /** The code of the error for what was denied or failed. */
  code: z.string().optional(),
  request: z.string(),
  address: z.string().optional(),
  agent: z.string().optional(),
  /** Journal position, release and phase before and after, where they are known. */
  before: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  after: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
  /** How many attempts a counted line stands for. */
  count: z.int().optional(),
});
export type AuditEntry = z.infer<typeof auditEntry>;

/** `hash` is sha256 over the previous line's hash and this line's text. */
export const auditLine = auditEntry.extend({ id: z.int(), previous: z.string(), hash: z.string() });
export type AuditLine = z.infer<typeof auditLine>;

/** GET /v1/audit?since=MS&after=ID: at most 200 lines; `waiting`: how many could not be written yet. */
export const auditPage = z.object({ lines: z.array(auditLine), isEnd: z.boolean(), waiting: z.int() });
export type AuditPage = z.infer<typeof auditPage>;

const chainCheck = z.object({ rows: z.int(), brokenAt: z.int().optional() });
export const auditCheck = z.object({ audit: chainCheck, journal: chainCheck });
export type AuditCheck = z.infer<typeof auditCheck>;

export function actorText({ name, kind }: AuditActor): string {
  return `${name}@${kind}`;
}

const severity = { allowed: 3, failed: 5, denied: 7 } as const;

/** ArcSight's Common Event Format, version 0: header fields escape `|` and `\`, extensions `=` and `\`. */
export function cefLine(line: AuditLine): string {
  const head = ['Crossfade', 'crossfade', productVersion, line.action, `${line.action} ${line.outcome}`];
  const fields = {
    rt: line.at,
    externalId: line.id,
    suser: actorText(line.actor),
    act: line.action,
    outcome: line.outcome,
    destinationServiceName: line.target,
    reason: line.reason ?? line.code,
    src: line.address,
    requestClientApplication: line.agent,
    cnt: line.count,
    cs1Label: 'request',
    cs1: line.request,
    cs2Label: 'hash',
    cs2: line.hash,
  };
  const extension = Object.entries(fields).flatMap(([key, value]) =>
    value === undefined ? [] : `${key}=${escaped(String(value), /[\\=]/g)}`,
  );
  const header = [...head.map((each) => escaped(each, /[\\|]/g)), severity[line.outcome]].join('|');
  return `CEF:0|${header}|${extension.join(' ')}`;
}

function escaped(text: string, special: RegExp): string {
  return text.replace(special, '\\$&').replace(/\r?\n|\r/g, '\\n');
}
