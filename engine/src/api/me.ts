// GET /v1/me: who asks, and what he may do.
import { z } from 'zod';
import { actions, role } from './roles.ts';

export const me = z.object({
  name: z.string(),
  kind: z.string(),
  role,
  may: z.array(z.enum(actions)),
});
export type Me = z.infer<typeof me>;
