// From the configuration to the channels that are there; `in-app` always is.
import type { ChannelConfig, NotifyConfig } from '../notify-schema.ts';
import type { Channel, ChannelWorld } from './channel.ts';
import { mailChannel } from './mail-channel.ts';
import { pagerdutyChannel } from './pagerduty-channel.ts';
import { slackChannel } from './slack-channel.ts';
import { slackWebhookChannel } from './slack-webhook-channel.ts';
import { webhookChannel } from './webhook-channel.ts';

export function channelsOf(
  world: ChannelWorld,
  config: Pick<NotifyConfig, 'channels'>,
  inApp: Channel | undefined,
): ReadonlyMap<string, Channel> {
  const configured = Object.entries(config.channels).map(
    ([name, each]) => [name, channelOf(world, each)] as const,
  );
  return new Map([...(inApp ? [['in-app', inApp] as const] : []), ...configured]);
}

function channelOf(world: ChannelWorld, config: ChannelConfig): Channel {
  if ('slack' in config) return slackChannel(world, config.slack);
  if ('slackWebhook' in config) return slackWebhookChannel(world, config.slackWebhook);
  if ('webhook' in config) return webhookChannel(world, config.webhook);
  if ('pagerduty' in config) return pagerdutyChannel(world, config.pagerduty);
  return mailChannel(world, config);
}
