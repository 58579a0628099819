// Who may do what: four roles, each including what lies below it, and the lowest role that each action needs.
// An action that is not in the table is nobody's. Pure; who is asking is decided in controller/access.
import { z } from 'zod';

export const roles = ['viewer', 'operator', 'approver', 'admin'] as const;
export const role = z.enum(roles);
export type Role = z.infer<typeof role>;

const lowestRole = {
  read: 'viewer',
  logs: 'operator',
  deploy: 'operator',
  releases: 'operator',
  promote: 'operator',
  pause: 'operator',
  resume: 'operator',
  abort: 'operator',
  retry: 'operator',
  rollback: 'operator',
  route: 'operator',
  lock: 'operator',
  unlock: 'operator',
  adopt: 'operator',
  healing: 'operator',
  drill: 'operator',
  probe: 'operator',
  flags: 'operator',
  incident: 'operator',
  maintenance: 'operator',
  subscribers: 'operator',
  signoff: 'approver',
  ack: 'operator',
  notify: 'operator',
  validations: 'operator',
  boards: 'operator',
  approve: 'approver',
  freeze: 'approver',
  unfreeze: 'approver',
  audit: 'approver',
  tokens: 'admin',
  shutdown: 'admin',
  'break-lock': 'admin',
  apply: 'admin',
} as const satisfies Record<string, Role>;

export type Action = keyof typeof lowestRole;
export const actions = Object.keys(lowestRole) as [Action, ...Action[]];

export function isAction(text: string): text is Action {
  return Object.hasOwn(lowestRole, text);
}

/** The lowest role that may do it. */
export function roleFor(action: Action): Role {
  return lowestRole[action];
}

/** A scope narrows a role and never widens it; looking is within every scope. */
export function mayDo(held: Role, scope: readonly Action[] | undefined, action: Action): boolean {
  if (roles.indexOf(held) < roles.indexOf(lowestRole[action])) return false;
  return scope === undefined || action === 'read' || scope.includes(action);
}
