// Work that is done again and again, never twice at once.
/** Runs now and then again, `pauseMs` after each end. */
export function repeat(work: () => Promise<void>, pauseMs: number): { end(): void } {
  let timer: NodeJS.Timeout | undefined;
  let hasEnded = false;
  const turn = async (): Promise<void> => {
    await work();
    if (!hasEnded) timer = setTimeout(() => void turn(), pauseMs);
  };
  void turn();
  return {
    end() {
      hasEnded = true;
      clearTimeout(timer);
    },
  };
}
