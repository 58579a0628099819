// Loaded before the CLI (`node --import`): writes to descriptor 3 when each of its requests leaves, so that
// a bench can tell the start of the process from the work. The CLI itself is the production one and knows
// nothing of this. One line a request: machine clock in ms, wall clock in ms, method, path.
import { writeSync } from 'node:fs';
import http from 'node:http';
import { syncBuiltinESMExports } from 'node:module';
import { machineNow } from './machine-clock.ts';

const { request } = http;

http.request = ((...args: Parameters<typeof request>) => {
  const [{ method, path }] = args as unknown as [http.RequestOptions];
  writeSync(3, `${machineNow()} ${Date.now()} ${method} ${path}\n`);
  return request(...args);
}) as typeof request;
syncBuiltinESMExports();
