// How this process was started, which decides what a hang-up means. The kernel sends SIGHUP to those whose
// controlling terminal closed: for them it is the end. A process without one (`up --detach`, a systemd
// unit, a container) gets it only from somebody who wants the configuration read again.
import { closeSync, constants, openSync } from 'node:fs';

/** /dev/tty can be opened by those who have a controlling terminal, and by nobody else. */
export function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', constants.O_RDONLY | constants.O_NOCTTY));
    return true;
  } catch {
    // ENXIO: there is none.
    return false;
  }
}

/** Resolves at the first of these signals; later ones are told that the end is under way. */
export function signalled(signals: readonly NodeJS.Signals[]): Promise<void> {
  return new Promise((resolve) => {
    let count = 0;
    for (const signal of signals) {
      process.on(signal, () => {
        if (count++ > 0) process.stderr.write('still ending; kill -9 would leave processes behind\n');
        resolve();
      });
    }
  });
}
