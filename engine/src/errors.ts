// The catalogue of failures that people see: a code, a message with the wrong value in it, and a hint that
// names the next command. The code also gives the HTTP status and the process's exit code.
// Bugs are assertions (assert.ts); endings a caller must handle are unions in return types.

/**
 * Exit codes of the CLI: 0 done, 1 failed, 2 usage or configuration, 3 environment, 4 inconclusive, 5
 * refused.
 */
export type ExitCode = 0 | 1 | 2 | 3 | 4 | 5 | 130;

type CatalogueEntry = { readonly status: number; readonly exit: ExitCode };

const catalogue = {
  usage: { status: 400, exit: 2 },
  'config-invalid': { status: 400, exit: 2 },
  'config-missing': { status: 400, exit: 2 },
  'unknown-release': { status: 404, exit: 2 },
  'unknown-destination': { status: 400, exit: 2 },
  'unknown-route': { status: 404, exit: 2 },
  'unknown-flag': { status: 404, exit: 2 },
  unreachable: { status: 503, exit: 3 },
  'port-in-use': { status: 503, exit: 3 },
  'state-folder': { status: 500, exit: 3 },
  certificate: { status: 500, exit: 3 },
  'already-running': { status: 409, exit: 5 },
  source: { status: 400, exit: 3 },
  damaged: { status: 500, exit: 1 },
  'dirty-tree': { status: 409, exit: 5 },
  'illegal-verb': { status: 409, exit: 5 },
  refused: { status: 409, exit: 5 },
  'not-allowed': { status: 401, exit: 5 },
  frozen: { status: 409, exit: 5 },
  locked: { status: 409, exit: 5 },
  'needs-approval': { status: 409, exit: 5 },
  forbidden: { status: 403, exit: 5 },
  'not-found': { status: 404, exit: 2 },
  'too-large': { status: 413, exit: 2 },
  'wrong-media': { status: 415, exit: 2 },
  'wrong-host': { status: 421, exit: 5 },
  'wrong-version': { status: 400, exit: 2 },
  'too-many': { status: 429, exit: 5 },
  untrusted: { status: 503, exit: 3 },
  'check-failed': { status: 409, exit: 1 },
  'rollout-failed': { status: 500, exit: 1 },
  timeout: { status: 504, exit: 4 },
  internal: { status: 500, exit: 1 },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;

/**
 * A failure at the edge. `message` is lower case, holds the wrong value, no full stop; `hint` names what to
 * do.
 */
export class CrossfadeError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, hint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'CrossfadeError';
    this.code = code;
    this.hint = hint;
  }

  get status(): number {
    return catalogue[this.code].status;
  }

  get exitCode(): ExitCode {
    return catalogue[this.code].exit;
  }
}

export function isErrorCode(code: string): code is ErrorCode {
  return code in catalogue;
}

/** One line for logs and people, whatever was thrown. */
export function errorText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
