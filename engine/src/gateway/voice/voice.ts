// Stub.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { HandoverProgress, HandoverRequest, Override, RouteTable } from '../../api/route-table.ts';
import type { Host } from '../../host.ts';
import type { RelaySecrets } from '../control.ts';
import type { OwnPaths } from '../gateway.ts';
import type { Meter } from '../meter.ts';
import type { ClientSide } from '../request-head.ts';

export type VoiceParts = {
  readonly host: Host;
  readonly key: string;
  readonly meter: Meter;
  readonly table: () => RouteTable | undefined;
  readonly overrides: () => readonly Override[];
};

export class Voice implements OwnPaths {
  readonly parts: VoiceParts;
  constructor(parts: VoiceParts) {
    this.parts = parts;
  }
  request(_request: IncomingMessage, _response: ServerResponse, _path: string): boolean {
    return false;
  }
  upgrade(_r: IncomingMessage, _s: Duplex, _a: Buffer, _p: string, _c: ClientSide): boolean {
    return false;
  }
  active(_release: string): number {
    return 0;
  }
  activeByRelease(): Record<string, number> {
    return {};
  }
  handover(wanted: HandoverRequest): HandoverProgress {
    return { id: wanted.id, total: 0, moved: 0, failed: 0, pending: 0 };
  }
  progress(_id: string): HandoverProgress | undefined {
    return undefined;
  }
  list(): unknown {
    return [];
  }
  giveSecrets(_secrets: RelaySecrets): void {}
  announceMove(): void {}
  tick(): void {}
  close(): void {}
}
