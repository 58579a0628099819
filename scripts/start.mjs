// `npm start`: the voice example on this machine. Plain JavaScript, so that an old Node can say what is missing; npm
// puts the pinned Node first in PATH, so this normally runs on it.
if (process.platform === 'win32') {
  console.error('crossfade does not run on Windows itself: use WSL');
  process.exit(3);
}
if (Number(process.versions.node.split('.')[0]) < 24) {
  console.error(
    `crossfade needs Node 24 or newer, this is ${process.version}: run \`npm install\`, or install Node 24`,
  );
  process.exit(3);
}
await import('./example.ts');
