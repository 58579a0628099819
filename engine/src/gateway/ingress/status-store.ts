// What the controller said last for everybody outside, kept over a restart of this gateway: written when it
// says something else, and else once a minute, so that the age on the page stays true. A torn file is as none
// at all; a disk that refuses leaves what is in memory in force.
import { writeDurably, type Files } from '../../host.ts';
import { publicStatus, type PublicStatus } from '../../api/public-status.ts';

const rewriteMs = 60_000;

export class StatusStore {
  readonly #files: Files;
  readonly #path: string;
  #current: PublicStatus | undefined;
  #written = { content: '', at: 0 };

  constructor(files: Files, path: string) {
    this.#files = files;
    this.#path = path;
    this.#current = this.#load();
  }

  get current(): PublicStatus | undefined {
    return this.#current;
  }

  take(status: PublicStatus): void {
    this.#current = status;
    const content = JSON.stringify({ ...status, updatedAt: 0 });
    if (content === this.#written.content && status.updatedAt - this.#written.at < rewriteMs) return;
    try {
      writeDurably(this.#files, this.#path, JSON.stringify(status));
      this.#written = { content, at: status.updatedAt };
    } catch {
      // It is served from memory, and written with the next report.
    }
  }

  #load(): PublicStatus | undefined {
    try {
      return publicStatus.safeParse(JSON.parse(this.#files.read(this.#path) ?? '')).data;
    } catch {
      return undefined;
    }
  }
}
