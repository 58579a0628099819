#!/usr/bin/env node
// Looks at the app after a deploy: [url] and the options of `crossfade validate`, which this calls.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../node_modules/.bin/crossfade', import.meta.url));
const child = spawn(bin, ['validate', ...process.argv.slice(2)], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => {
  console.error(`crossfade cannot be started: ${error.message}; run npm install`);
  process.exitCode = 3;
});
child.on('exit', (code) => (process.exitCode = code ?? 1));
