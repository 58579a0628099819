// The part `notify` of crossfade.yaml: channels, routes, who may press a button in Slack. Secrets stand in
// the environment or in files, never here. What leaves out `routes` gets good ones (notify/routing.ts).
import { z } from 'zod';
import { roles } from './api/roles.ts';
import { noticeKinds, noticeSeverities } from './rollout/notices.ts';

type Pieces = {
  readonly duration: z.ZodType<number, string>;
  readonly secret: z.ZodType<SecretSource, SecretSource>;
};

/** Where a secret stands: a variable of the controller's environment, or a file. */
export type SecretSource = { readonly env: string } | { readonly file: string };

const oneOrMore = <T extends z.ZodType>(each: T) =>
  z.union([each.transform((one) => [one]), z.array(each).min(1).max(20)]);

const channelName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,30}$/, 'is not a name of small letters, digits and dashes');

function channelShape(secret: Pieces['secret']) {
  const address = z.string().min(3).max(300);
  return z.union([
    z.strictObject({
      slack: z.strictObject({
        token: secret,
        /** Id of the channel, such as C0123456789. */
        channel: z.string().regex(/^[A-Z][A-Z0-9]{1,20}$/, 'is not a channel id such as C0123456789'),
        api: z.url().default('https://slack.com/api'),
      }),
    }),
    z.strictObject({ slackWebhook: secret }),
    z.strictObject({
      smtp: z.strictObject({
        host: z.string().min(1),
        port: z.int().min(1).max(65_535).default(587),
        /** TLS from the first byte; else STARTTLS, which is required unless `plain`. */
        secure: z.boolean().default(false),
        /** Send without TLS: only to a server on this machine. */
        plain: z.boolean().default(false),
        user: z.string().optional(),
        password: secret.optional(),
      }),
      from: address,
      to: oneOrMore(address),
      /** An address or URL where people leave the list. */
      unsubscribe: z.string().max(500).optional(),
    }),
    z.strictObject({ webhook: z.strictObject({ url: z.union([z.url(), secret]), secret }) }),
    z.strictObject({
      pagerduty: z.strictObject({ key: secret, api: z.url().default('https://events.pagerduty.com') }),
    }),
  ]);
}

export function notifyShape({ duration, secret }: Pieces) {
  const matcher = z.strictObject({
    kind: oneOrMore(z.enum(noticeKinds)).optional(),
    severity: oneOrMore(z.enum(noticeSeverities)).optional(),
    environment: oneOrMore(z.string()).optional(),
    release: oneOrMore(z.string()).optional(),
    rollout: oneOrMore(z.string()).optional(),
    contact: oneOrMore(z.string()).optional(),
  });
  const route = z.strictObject({
    match: matcher.prefault({}),
    channels: z.array(z.string()).min(1).max(20),
    groupBy: z
      .array(z.enum(['rollout', 'environment', 'kind', 'severity', 'release', 'key']))
      .default(['rollout', 'environment']),
    groupWait: duration.prefault('30s'),
    groupInterval: duration.prefault('5m'),
    repeatInterval: duration.prefault('4h'),
    /** Look at the routes below it too. */
    continue: z.boolean().default(false),
  });
  return z.strictObject({
    channels: z.record(channelName, channelShape(secret)).default({}),
    routes: z.array(route).max(50).optional(),
    slack: z
      .strictObject({
        /** Checks what Slack sends when somebody presses a button. */
        signingSecret: secret.optional(),
        /** Who a Slack user is here. */
        users: z
          .record(
            z.string().regex(/^[UW][A-Z0-9]{1,20}$/, 'is not a user id such as U0123456789'),
            z.strictObject({ name: z.string().min(1).max(80), role: z.enum(roles) }),
          )
          .default({}),
      })
      .prefault({}),
    /** How often a bake is summed up. */
    digest: duration.prefault('1h'),
    /** Called each minute: whoever listens there pages when it stops. */
    heartbeat: z.strictObject({ url: z.union([z.url(), secret]) }).optional(),
  });
}

export type NotifyConfig = z.infer<ReturnType<typeof notifyShape>>;
export type ChannelConfig = NotifyConfig['channels'][string];
export type RouteConfig = NonNullable<NotifyConfig['routes']>[number];
