// Assertions for bugs in this package: a failed one throws, and the session's own supervision treats it as a
// failure of the epoch it happened in. Expected endings are values in return types, never assertions.

/** Throws when `condition` is false: the program is wrong, not its input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Ends a switch over a union: a member without a case does not compile, an unknown value throws. */
export function assertNever(value: never): never {
  throw new Error(`assertion failed: unexpected ${JSON.stringify(value)}`);
}
