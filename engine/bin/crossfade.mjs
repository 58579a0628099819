#!/usr/bin/env node
// Starts the CLI on a Node that can run it: this one if it is 24 or newer, else the one pinned by the repository.
// Plain JavaScript, so that an old Node can say what is missing. Signals are forwarded, the exit code is the child's.
import { existsSync } from 'node:fs';
import { spawn } from 'node:child_process';
import * as module from 'node:module';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

// TypeScript in a checkout, compiled in a published package.
const [source, compiled] = ['ts', 'js'].map((kind) =>
  fileURLToPath(new URL(`../src/main.${kind}`, import.meta.url)),
);
const main = existsSync(source) ? source : compiled;

if (process.platform === 'win32') {
  console.error('crossfade does not run on Windows itself: use WSL');
  process.exit(3);
}
if (Number(process.versions.node.split('.')[0]) >= 24) {
  // A third of the time a command takes to start. Not in the shared temporary folder: what lies there is run.
  module.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'crossfade'));
  await import(main);
} else runOn(pinnedNode());

function pinnedNode() {
  const name = `node-${process.platform}-${process.arch}`;
  for (let folder = dirname(main); folder !== dirname(folder); folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name, 'bin', 'node');
    if (existsSync(candidate)) return candidate;
  }
  console.error(
    `crossfade needs Node 24 or newer, this is ${process.version}: install Node 24 and run it again`,
  );
  process.exit(3);
}

function runOn(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    console.error(`cannot start ${node}: ${error.message}`);
    process.exit(3);
  });
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}
