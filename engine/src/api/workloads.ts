// CI jobs that are let in by their platform's OIDC token: what crossfade.yaml says of them, and the exchange
// of such a token for a session of a quarter of an hour (POST /login/workload). Claims as GitHub documents
// them; `sub` is never read, its format has changed.
import { z } from 'zod';
import { actions, role } from './roles.ts';

export const githubIssuer = 'https://token.actions.githubusercontent.com';

/** One repository that is let in, from these refs or environments. */
export const workloadRule = z
  .strictObject({
    issuer: z.url().default(githubIssuer),
    /** What the token must be made for; the control address as people reach it where nothing is named. */
    audience: z.string().min(1).max(200).optional(),
    /** The id and not the name: a name can be given to another repository. */
    repositoryId: z.string().regex(/^\d{1,20}$/, 'is not the number of a repository'),
    refs: z.array(z.string().startsWith('refs/')).max(20).default([]),
    environments: z.array(z.string().min(1)).max(20).default([]),
    /** The workflow file with its ref (`job_workflow_ref`). */
    workflow: z.string().min(1).optional(),
    role: role.default('operator'),
    scope: z.array(z.enum(actions)).max(actions.length).optional(),
  })
  .refine((rule) => rule.refs.length + rule.environments.length > 0, {
    error: 'names neither refs nor environments, so it would let in every branch',
  });
export type WorkloadRule = z.infer<typeof workloadRule>;

export const workloadLogin = z.strictObject({ token: z.string().min(1).max(8_192) });

/** `lifeMs`: how long the session is good from now. */
export const workloadSession = z.object({ session: z.string(), lifeMs: z.number() });
export type WorkloadSession = z.infer<typeof workloadSession>;
