// Waiting in tests: for the thing itself, never for time to pass, and never longer than a deadline.

/** The promise's value, or a failure naming what did not come within `deadlineMs`. */
export async function within<T>(promise: Promise<T>, deadlineMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits until `isTrue` holds, looking every 5 ms. */
export async function eventually(isTrue: () => boolean, deadlineMs: number, what: string): Promise<void> {
  const endsAt = performance.now() + deadlineMs;
  while (!isTrue()) {
    if (performance.now() > endsAt) throw new Error(`${what} did not hold within ${deadlineMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
