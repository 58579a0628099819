// `crossfade status-page export FOLDER`: the public pages, feeds and JSON as files, for an object store or a
// Pages host that stands when nothing else does. From the controller, or from the gateway's page of it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { ExitCode } from '../errors.ts';
import { exportedFiles } from '../status/site.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { print, printJson } from './render.ts';

export async function exportStatus(
  folder: string,
  options: GlobalOptions & { base?: string },
): Promise<ExitCode> {
  const status = await controlClient(options).publicStatus();
  const base = options.base ?? status.url ?? 'https://localhost/status';
  const files = exportedFiles(status, status.updatedAt, base.replace(/\/$/, ''));
  for (const { path, body } of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), body);
  }
  if (options.json) printJson({ folder, files: files.map((each) => each.path) });
  else print(`${files.length} files in ${folder}; they say when they were made`);
  return 0;
}
