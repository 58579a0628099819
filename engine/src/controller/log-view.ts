// The ends of the logs of builds and instances, for those who cannot read the files themselves. G5: 64 KiB of
// a file, 256 KiB in all; what no longer fits is left out, newest names first. The controller's and the
// gateway's own logs are not among them: those are for whoever has the machine.
import type { LogRequest, LogView } from '../api/control.ts';
import type { Files } from '../host.ts';

const fileBytes = 64 * 1024;
const allBytes = 256 * 1024;
const ownLogs = new Set(['gateway.log', 'controller.log']);

export function logFiles(files: Files, folder: string, request: LogRequest): LogView['files'] {
  const isWanted = (name: string): boolean =>
    name.endsWith('.log') &&
    !ownLogs.has(name) &&
    (request.release === undefined || `-${name}`.includes(`-${request.release}-`)) &&
    (request.instance === undefined || name.includes(request.instance));
  let left = allBytes;
  const found: LogView['files'] = [];
  for (const name of files.list(folder).filter(isWanted).toSorted().reverse()) {
    const text = files.readEnd(`${folder}/${name}`, Math.min(fileBytes, left)) ?? '';
    left -= Buffer.byteLength(text);
    if (left <= 0) break;
    const lines = text.split('\n').filter((line) => line !== '');
    found.push({ name, lines: request.lines === 0 ? [] : lines.slice(-request.lines) });
  }
  return found.reverse();
}
