// The voice app as a process: `PORT=3000 node serve.ts`. It listens, says where in one JSON line, and drains
// on SIGTERM and SIGINT: health answers 503, requests are finished, idle connections closed, and it exits
// once nothing is in flight. WebSockets stay until they close; requests alone hold it for 10 s at most.
import type { AddressInfo } from 'node:net';
import { answerRequest, loadApp } from './app.ts';
import { drain } from './drain.ts';
import { EchoSockets } from './echo-socket.ts';
import { makeListener } from './listener.ts';

const app = await loadApp();
const sockets = new EchoSockets();
const server = makeListener({
  answer: (request) => answerRequest(app, request),
  upgrade: (request, socket, ahead) => sockets.accept(request, socket, ahead),
  drain,
});

server.on('error', (error) => {
  console.error(JSON.stringify({ event: 'listen-failed', text: error.message }));
  process.exit(1);
});
server.listen(Number(process.env['PORT'] ?? 3000), process.env['HOST'] ?? '127.0.0.1', () => {
  const { address, port } = server.address() as AddressInfo;
  const host = address.includes(':') ? `[${address}]` : address;
  console.log(JSON.stringify({ event: 'listening', url: `http://${host}:${port}`, pid: process.pid }));
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.on(signal, () => {
    void drain.begin(server).then((ending) => {
      console.log(JSON.stringify({ event: 'drained', ...ending }));
      process.exit(0);
    });
  });
}
