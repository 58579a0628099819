// Assertions for bugs: a failed one crashes the process, and the journal recovers. Expected endings are
// values in the return type, never assertions.

/** Throws when `condition` is false: the program is wrong, not its input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** Ends a switch over a union: a member without a case does not compile, an unknown value crashes. */
export function assertNever(value: never): never {
  throw new Error(`assertion failed: unexpected ${JSON.stringify(value)}`);
}
