// How a synthetic client shows its cohort key: as the service's own clients do.
import type { Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';

/** How a client shows its key: the first source that the service looks at in a header. */
export function keyHeader(cohort: Config['cohort'], key: string): Record<string, string> {
  for (const each of cohort) {
    if ('header' in each) return { [each.header]: key };
    if ('cookie' in each) return { cookie: `${each.cookie}=${key}` };
  }
  const hint = 'name a header or a cookie under `cohort` in crossfade.yaml';
  throw new CrossfadeError('refused', 'there is no header or cookie for a cohort key', hint);
}
