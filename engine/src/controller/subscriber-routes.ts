// The paths about people outside who are told: shown in part, webhooks added, anybody removed.
import type { Hono } from 'hono';
import { subscriberAddRequest, subscriberRemoveRequest } from '../api/subscriptions.ts';
import { CrossfadeError } from '../errors.ts';
import type { Bindings, Variables } from './access/admission.ts';
import { body } from './access/request-body.ts';
import type { Subscribers } from './subscribers.ts';

export type SubscriberWorld = { readonly subscribers: Subscribers };

type App = Hono<{ Bindings: Bindings; Variables: Variables }>;

export function addSubscribers({ subscribers }: SubscriberWorld, app: App): void {
  app.get('/v1/subscribers', (context) => context.json({ subscribers: subscribers.views() }));
  app.post('/v1/subscribers/add', async (context) => {
    const { webhook, dryRun } = subscriberAddRequest.parse(await body(context));
    if (dryRun) {
      subscribers.refuseTooMany();
      const steps = [`tell ${new URL(webhook).host} of incidents and maintenance`, 'show its secret once'];
      return context.json({ isDryRun: true, steps });
    }
    const { id, secret } = await subscribers.addWebhook(webhook);
    context.set('note', { target: `add ${id} ${new URL(webhook).host}` });
    return context.json({ id, secret });
  });
  app.post('/v1/subscribers/remove', async (context) => {
    const { id, dryRun } = subscriberRemoveRequest.parse(await body(context));
    context.set('note', { target: `remove ${id}` });
    const isKnown = subscribers.views().some((each) => each.id === id);
    if (dryRun && isKnown) return context.json({ isDryRun: true, steps: [`tell ${id} nothing more`] });
    if (await subscribers.remove(id)) return context.json({ id });
    throw new CrossfadeError('not-found', `there is no subscriber ${id}`, '`crossfade subscribers list`');
  });
}
