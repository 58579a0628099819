// The two ways to a session: a page shows the code of its link, a CI job the token of its platform. Both are
// good once, and what opened nothing counts as a failed login.
import type { Hono } from 'hono';
import { z } from 'zod';
import { workloadLogin } from '../../api/workloads.ts';
import { CrossfadeError } from '../../errors.ts';
import { workloadPath, type Admission, type Bindings, type Variables } from './admission.ts';
import type { Door } from './door.ts';
import { body } from './request-body.ts';

type App = Hono<{ Bindings: Bindings; Variables: Variables }>;

export function addLogins({ door }: { readonly door: Door }, app: App, admission: Admission): void {
  app.post('/login', async (context) => {
    const { code } = z.object({ code: z.string().max(100) }).parse(await body(context));
    const opened = door.redeem(code);
    if (opened === undefined) {
      admission.failedLogin(context);
      const hint = '`crossfade dashboard` prints a new one';
      throw new CrossfadeError('not-allowed', 'the link was used or has ended', hint);
    }
    context.set('rights', opened.rights);
    return context.json({ session: opened.session });
  });
  app.post(workloadPath, async (context) => {
    const { token } = workloadLogin.parse(await body(context));
    const opened = await door.openWorkload(token);
    if ('code' in opened) {
      admission.failedLogin(context);
      throw new CrossfadeError(opened.code, opened.text, opened.hint);
    }
    context.set('rights', opened.rights);
    return context.json({ session: opened.session, lifeMs: opened.lifeMs });
  });
}
