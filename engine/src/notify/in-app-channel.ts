// The users themselves: a plain sentence over the gateway, to every live conversation and every page that
// listens. No vendor, version or host is named. What is older than a minute is not said any more.
import { errorText } from '../errors.ts';
import type { Clock } from '../host.ts';
import type { Channel, Outcome } from './channel.ts';
import type { Notice, NoticeKind } from '../rollout/notices.ts';

const freshMs = 60_000;

/** What users are told; nothing about all other kinds. */
const sentences: Partial<Record<NoticeKind, string>> = {
  'rolling-back': 'We are going back to the earlier version of this service. You can go on talking.',
  'rolled-back': 'The earlier version of this service is back. You can go on as before.',
  stuck: 'We are working on a problem with this service. You can go on talking.',
  test: 'This is a test message. Nothing has happened.',
};

/** `tell` rejects when the gateway does not answer; it knows an id that it has heard. */
export function inAppChannel(clock: Clock, tell: (id: string, text: string) => Promise<void>): Channel {
  return {
    kind: 'in-app',
    isGrouping: false,
    hasIdentity: true,
    perMinute: 600,
    takes: (notice) => sentenceOf(notice) !== undefined,
    async send({ id, notices }): Promise<Outcome> {
      const notice = notices[0]!;
      if (clock.now() - notice.at > freshMs)
        return { kind: 'dead', text: 'it is older than a minute: users are not told any more' };
      try {
        await tell(id, sentenceOf(notice)!);
        return { kind: 'sent', vendor: id };
      } catch (error) {
        return { kind: 'retry', text: errorText(error), afterMs: 1_000 };
      }
    },
  };
}

/** A drill is `info`, and nobody's concern; a test is meant. */
function sentenceOf({ kind, severity }: Notice): string | undefined {
  return severity === 'info' && kind !== 'test' ? undefined : sentences[kind];
}
