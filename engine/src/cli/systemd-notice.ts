// What `up` tells systemd (sd_notify): ready when both parts serve, reloading, stopping, and a sign of life
// for as long as both answer. Node has no unix datagram sockets, so `systemd-notify` speaks; the unit
// therefore has NotifyAccess=all. Without NOTIFY_SOCKET nothing is told. Its variables are taken out of the
// environment, so that no app below can speak for the service.
import { execFile } from 'node:child_process';
import { say } from './render.ts';

const limitMs = 5_000;

export class SystemdNotice {
  readonly #env: NodeJS.ProcessEnv | undefined;
  readonly #watchdogMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor() {
    const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: limit } = process.env;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete process.env[name];
    this.#env = socket === undefined ? undefined : { ...process.env, NOTIFY_SOCKET: socket };
    this.#watchdogMs = Number(limit ?? 0) / 1000;
  }

  /** `isAnswering` is asked three times within the limit of the unit; a no means no sign of life. */
  ready(isAnswering: () => Promise<boolean>): void {
    this.#tell('READY=1', 'STATUS=gateway and controller serve');
    if (this.#watchdogMs > 0 && !this.#timer) this.#watch(isAnswering);
  }

  reloading(): void {
    this.#tell('RELOADING=1', 'STATUS=reading crossfade.yaml');
  }

  stopping(): void {
    clearTimeout(this.#timer);
    this.#tell('STOPPING=1', 'STATUS=ending');
  }

  #watch(isAnswering: () => Promise<boolean>): void {
    this.#timer = setTimeout(() => {
      void isAnswering().then((isAlive) => {
        if (isAlive) this.#tell('WATCHDOG=1');
        else say('gateway or controller does not answer: no sign of life for systemd');
        this.#watch(isAnswering);
      });
    }, this.#watchdogMs / 3);
    this.#timer.unref();
  }

  #tell(...lines: string[]): void {
    if (!this.#env) return;
    execFile('systemd-notify', lines, { env: this.#env, timeout: limitMs }, (error) => {
      if (error) say(`systemd could not be told ${lines[0]}: ${error.message.split('\n')[0]}`);
    });
  }
}
