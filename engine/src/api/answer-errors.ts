// What went wrong between a client and the control API: an error of the catalogue, with what to do about it.
import type { z } from 'zod';
import { CrossfadeError, errorText, isErrorCode } from '../errors.ts';
import type { ControlTarget } from './client.ts';
import { errorAnswer } from './control.ts';

/** Nobody is there, or somebody whose certificate is not trusted. Never tried again without TLS. */
export function unanswered(cause: unknown, target: ControlTarget): CrossfadeError {
  const code = (cause as { code?: unknown } | undefined)?.code;
  const why = typeof code === 'string' ? certificateTrouble[code] : undefined;
  if (why !== undefined) {
    const [text, hint] = why;
    return new CrossfadeError('untrusted', `the certificate of the control address ${text}`, hint, cause);
  }
  const isOurs = target.kind === 'socket';
  const hint = isOurs
    ? 'start it with `crossfade up`'
    : 'is it up, and is this its address? `crossfade up` starts it there';
  return new CrossfadeError(
    'unreachable',
    `the controller does not answer: ${errorText(cause)}`,
    hint,
    cause,
  );
}

const unknownIssuer = [
  'is signed by nobody that is trusted here',
  'name its certificate or authority as `destinations.NAME.ca` in crossfade.yaml',
] as const;

const certificateTrouble: Readonly<Record<string, readonly [string, string]>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: unknownIssuer,
  SELF_SIGNED_CERT_IN_CHAIN: unknownIssuer,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT: unknownIssuer,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: unknownIssuer,
  CERT_HAS_EXPIRED: ['has expired', 'renew it there (`listen.tls.control`); it is read again within seconds'],
  CERT_NOT_YET_VALID: ['is not valid yet', 'look at the clocks of both machines'],
  ERR_TLS_CERT_ALTNAME_INVALID: [
    'is for another name',
    'use the name that stands in it, or renew it with this one',
  ],
  EPROTO: [
    'was not shown: no TLS is spoken there',
    'is this the control address, and has it `listen.tls.control`?',
  ],
};

export function answeredError(status: number, text: string): CrossfadeError {
  let parsed: z.infer<typeof errorAnswer> | undefined;
  try {
    parsed = errorAnswer.safeParse(JSON.parse(text)).data;
  } catch {
    // Not JSON: somebody else answers at this address; said below.
  }
  if (!parsed)
    return new CrossfadeError(
      'unreachable',
      `an unexpected answer, status ${status}`,
      'is this the control address?',
    );
  const { code, message, hint } = parsed.error;
  return new CrossfadeError(isErrorCode(code) ? code : 'internal', message, hint);
}
