// The same switch by other proxies, for scale: one backend to another, command sent to first answer of the
// other backend seen on a kept-alive connection, under the same rate of requests and with upgraded
// connections held. Their load is smaller than ours (no sessions on a channel, no audio), and none of them
// decides, records, verifies or moves a conversation. Counts what each breaks.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBackends, openPeers, type BackendName, type Peer } from './peer-proxies.ts';
import { machineNow } from './machine-clock.ts';
import { Crowd } from './rollback-crowd.ts';
import { percentile, percentileLine } from './rollback-figures.ts';
import { SwitchWatch } from './switch-watch.ts';

const switches = 10;
const held = 100;
/** Between switches, so that what a switch leaves behind has ended: kamal-proxy drains for one second. */
const settleMs = 1_500;

/** Lines to print; `ownP50Ms` is what the ratios are of. */
export async function peerLines(requestsPerSecond: number, ownP50Ms: number): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-peers-'));
  const { child, ports } = await openBackends();
  try {
    const { peers, missing } = await openPeers(folder, ports);
    const lines = [`the same switch elsewhere: ${switches} each, ${held} upgraded connections held`];
    for (const peer of peers) lines.push(...(await measurePeer(peer, requestsPerSecond, ownP50Ms)));
    return [...lines, ...missing.map((each) => `  ${each}`)];
  } finally {
    child.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measurePeer(peer: Peer, requestsPerSecond: number, ownP50Ms: number): Promise<string[]> {
  const origin = `http://127.0.0.1:${peer.port}`;
  await using visitors = await Crowd.open('visit', origin, requestsPerSecond, '/');
  const watch = new SwitchWatch(peer.port, '/', 'watch');
  let isOver = false;
  let [cut, sockets] = [0, 0];
  const hold = async (): Promise<void> => {
    const socket = await upgraded(peer.port);
    sockets++;
    socket.once('close', () => {
      if (!isOver) cut++;
      sockets--;
    });
    open.add(socket);
  };
  const open = new Set<Socket>();
  const took: number[] = [];
  try {
    for (let turn = 0; turn < switches; turn++) {
      while (sockets < held) await hold();
      const backend: BackendName = turn % 2 === 0 ? 'b' : 'a';
      await watch.first(backend === 'b' ? 'a' : 'b');
      const sentAt = machineNow();
      peer.switchTo(backend);
      took.push((await watch.first(backend)) - sentAt);
      await new Promise((resolve) => void setTimeout(resolve, settleMs));
    }
    const { answered, failures } = await visitors.count();
    const broken = [...Object.entries(failures), ...watch.failures].map(
      ([kind, count]) => `${count} × ${kind}`,
    );
    const ratio = (ownP50Ms / percentile(took, 50)).toFixed(2);
    return [
      percentileLine(peer.name, took),
      `    ours takes ${ratio} times as long; ${answered} requests, ` +
        `failed: ${broken.join(', ') || 'none'}; ` +
        `upgraded cut: ${cut}`,
    ];
  } finally {
    isOver = true;
    watch.close();
    for (const each of open) each.destroy();
    peer.child.kill('SIGKILL');
  }
}

/** An upgraded connection that stays open and silent. */
async function upgraded(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  const key = Buffer.from('crossfade bench!').toString('base64');
  const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}`;
  socket.write(`GET /held HTTP/1.1\r\nHost: 127.0.0.1\r\n${upgrade}\r\n\r\n`);
  const [head] = (await once(socket, 'data', { signal: AbortSignal.timeout(10_000) })) as [Buffer];
  if (!head.includes(' 101 ')) throw new Error(`no upgrade: ${head.toString('latin1').slice(0, 100)}`);
  return socket;
}
