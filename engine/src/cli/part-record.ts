// Which process the gateway or the controller of a folder is, so that a later `up` finds it also when it does
// not answer any more. A pid counts only with its start time: another process that has got it is a stranger,
// and never signalled.
import { z } from 'zod';
import { writeDurably } from '../host.ts';
import { nodeHost } from '../host-node.ts';
import type { PartName } from './supervisor.ts';

const partRecord = z.object({ pid: z.int(), startedAt: z.string() });

function pathOf(stateFolder: string, name: PartName): string {
  return `${stateFolder}/up-${name}.json`;
}

/** Nothing is written for a process that has ended already. */
export async function recordPart(stateFolder: string, name: PartName, pid: number): Promise<void> {
  const { files, processes } = nodeHost();
  const startedAt = await processes.startTime(pid);
  if (startedAt === undefined) return;
  writeDurably(files, pathOf(stateFolder, name), `${JSON.stringify({ pid, startedAt })}\n`);
}

/** The pid of the recorded process while it lives. */
export async function recordedPart(stateFolder: string, name: PartName): Promise<number | undefined> {
  const { files, processes } = nodeHost();
  const text = files.read(pathOf(stateFolder, name));
  const found = text === undefined ? undefined : partRecord.safeParse(jsonOf(text)).data;
  return found && (await processes.startTime(found.pid)) === found.startedAt ? found.pid : undefined;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Torn by a crash: as good as no record.
    return undefined;
  }
}
