// The door for buttons in Slack: POST /v1/slack/actions. Not by a bearer token: Slack signs what it sends
// (v0, HMAC-SHA256 over time and raw body), and the user who pressed is somebody here by
// `notify.slack.users`. V1 a signature is of the last five minutes, and good once. V2 the role decides, as
// everywhere; every press is a line in the audit, let in or not. V3 the answer does not wait for Slack: its
// buttons are replaced afterwards.
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Hono } from 'hono';
import { z } from 'zod';
import { actorText, type AuditActor } from '../api/audit.ts';
import { mayDo } from '../api/roles.ts';
import type { Config } from '../config.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Clock } from '../host.ts';
import { secretOf } from '../notify/channel.ts';
import { abortAction, approveAction } from '../notify/slack-blocks.ts';
import { replaceButtons } from '../notify/slack-channel.ts';
import { notAllowed, type Asked, type Bindings, type Variables } from './access/admission.ts';
import { bodyText } from './access/request-body.ts';
import { approve } from './gate-verbs.ts';
import { channelWorld } from './notifications.ts';
import { abort, type VerbWorld } from './verbs.ts';

export type SlackWorld = VerbWorld & {
  readonly applied: { readonly current: Config };
  readonly log: (event: string, fields: Record<string, unknown>) => void;
};

const freshMs = 5 * 60_000;
const spentLimit = 10_000;

const press = z.object({
  type: z.literal('block_actions'),
  user: z.object({ id: z.string().max(40) }),
  channel: z.object({ id: z.string().max(40) }),
  message: z.object({ ts: z.string().max(40) }),
  actions: z
    .array(z.object({ action_id: z.enum([approveAction, abortAction]), value: z.string().max(2_000) }))
    .length(1),
});
const pressed = z.object({ rollout: z.int().min(1), title: z.string().max(200) });

export function addSlack(world: SlackWorld, app: Hono<{ Bindings: Bindings; Variables: Variables }>): void {
  const spent = new SpentSignatures(world.host.clock);
  app.post('/v1/slack/actions', async (context) => {
    const raw = await bodyText(context);
    verify(world, context, raw, spent);
    const { user, channel, message, actions } = pressOf(raw);
    const action = actions[0]!.action_id === approveAction ? 'approve' : 'abort';
    context.set('acted', action);
    const known = world.applied.current.notify.slack.users[user.id];
    const actor: AuditActor = { name: known?.name ?? user.id, kind: 'slack', via: 'tcp' };
    const rights = { actor, role: known?.role ?? 'viewer' };
    context.set('rights', rights);
    const { rollout, title } = pressed.parse(JSON.parse(actions[0]!.value));
    context.set('note', { target: `rollout ${rollout}` });
    if (!known) {
      const hint = 'notify.slack.users in crossfade.yaml says who is who';
      throw new CrossfadeError('forbidden', `the Slack user ${user.id} is nobody here`, hint);
    }
    if (!mayDo(known.role, undefined, action)) throw notAllowed(rights, action);
    const request = { onlyRollout: rollout, reason: 'by a button in Slack' };
    await (action === 'approve' ? approve : abort)(world, request, actorText(actor));
    const said = `${action === 'approve' ? 'approved' : 'ended'} by ${known.name}`;
    // V3.
    void told(world, channel.id, message.ts, title, said);
    return context.body(null, 200);
  });
}

/** V1. */
function verify(world: SlackWorld, context: Asked, raw: string, spent: SpentSignatures): void {
  const source = world.applied.current.notify.slack.signingSecret;
  const secret = source
    ? secretOf(channelWorld(world.host, world.folder), source)
    : { missing: 'it is not set' };
  const refused = (text: string): CrossfadeError =>
    new CrossfadeError('not-allowed', text, 'notify.slack.signingSecret in crossfade.yaml names the secret');
  if ('missing' in secret) throw refused('buttons are off: there is no signing secret');
  const time = context.req.header('x-slack-request-timestamp') ?? '';
  const given = Buffer.from(context.req.header('x-slack-signature') ?? '');
  const wanted = Buffer.from(slackSignature(secret.value, time, raw));
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted))
    throw refused('the signature is not Slack’s');
  const awayMs = Math.abs(world.host.clock.now() - Number(time) * 1000);
  if (!(awayMs <= freshMs)) throw refused('the signature is older than five minutes');
  if (!spent.spend(given.toString())) throw refused('this press has been taken before');
}

/** `v0=` and the hex of HMAC-SHA256 over `v0:time:body` (Slack, verifying requests). */
export function slackSignature(secret: string, time: string, raw: string): string {
  return `v0=${createHmac('sha256', secret).update(`v0:${time}:${raw}`).digest('hex')}`;
}

function pressOf(raw: string): z.infer<typeof press> {
  try {
    return press.parse(JSON.parse(new URLSearchParams(raw).get('payload') ?? ''));
  } catch (cause) {
    throw new CrossfadeError(
      'usage',
      'this is no press of a button of ours',
      'see docs/notifications.md',
      cause,
    );
  }
}

async function told(
  world: SlackWorld,
  channel: string,
  ts: string,
  title: string,
  said: string,
): Promise<void> {
  const { channels } = world.applied.current.notify;
  const found = Object.values(channels).find((each) => 'slack' in each && each.slack.channel === channel);
  if (!found || !('slack' in found)) return;
  try {
    const outcome = await replaceButtons(
      channelWorld(world.host, world.folder),
      found.slack,
      ts,
      title,
      said,
    );
    if (outcome.kind !== 'sent') world.log('slack-buttons-stay', { text: outcome.text });
  } catch (error) {
    world.log('slack-buttons-stay', { text: errorText(error) });
  }
}

/** Those of the last minutes; the oldest gives way at 10 000. */
class SpentSignatures {
  readonly #clock: Clock;
  readonly #until = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  spend(signature: string): boolean {
    const now = this.#clock.now();
    for (const [known, until] of this.#until) {
      if (until >= now && this.#until.size < spentLimit) break;
      this.#until.delete(known);
    }
    if (this.#until.has(signature)) return false;
    this.#until.set(signature, now + 2 * freshMs);
    return true;
  }
}
