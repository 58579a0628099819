// The pages in docs/: what is made from the code is current, every command in them is one that exists with
// the options it is given, examples of code compile, the proxy's configuration is one that works, and every
// link leads somewhere. The commands are run in docs-walk.test.ts, those of the README in readme.test.ts.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import type { Duplex } from 'node:stream';
import { dirname, join } from 'node:path';
import { cliPage, configurationPage } from '../../scripts/write-docs.ts';
import { commandTable } from '../src/cli/cli.ts';
import { freePort, Stage, until } from './stage.ts';
import { linesIn } from './walk.ts';

const folder = new URL('../../docs', import.meta.url).pathname;
const pages = readdirSync(folder).filter((name) => name.endsWith('.md'));
const read = (name: string): string => readFileSync(join(folder, name), 'utf8');

test('the pages that are made from the code are current (`npm run docs`)', () => {
  assert.equal(read('cli.md'), cliPage());
  assert.equal(read('configuration.md'), configurationPage());
});

test('every command in a page exists, with the options it is given', () => {
  const lines = pages.flatMap((name) =>
    ['sh', 'console'].flatMap((language) => linesIn(read(name), language).map((line) => ({ name, line }))),
  );
  assert.ok(lines.length > 25, `${lines.length} lines`);
  const program = commandTable(() => undefined);
  for (const { name, line } of lines) {
    const [first, ...words] = line.replaceAll(/"[^"]*"/g, 'words').split(' ');
    assert.equal(first, 'crossfade', `${name}: ${line}`);
    let command = program;
    for (const word of words) command = command.commands.find((each) => each.name() === word) ?? command;
    assert.notEqual(command, program, `${name}: ${line}`);
    const known = [...command.options, ...program.options].map(({ long }) => long);
    for (const option of words.filter((word) => word.startsWith('--')))
      assert.ok(known.includes(option), `${name}: ${line}: ${option}`);
  }
});

test('every link of a page leads somewhere', () => {
  for (const name of pages)
    for (const [, link] of read(name).matchAll(/\]\((?!http)([^)#]+)\)/g))
      assert.ok(existsSync(join(dirname(join(folder, name)), link!)), `${name}: ${link}`);
});

test('the code in the pages compiles against the packages', () => {
  const blocks = pages.flatMap((name) =>
    [...read(name).matchAll(/^```ts\n([^]*?)^```/gm)].map((each) => each[1]!),
  );
  assert.ok(blocks.length >= 2);
  const root = new URL('../..', import.meta.url).pathname;
  const place = mkdtempSync(join(tmpdir(), 'crossfade-docs-'));
  try {
    for (const [index, text] of blocks.entries()) writeFileSync(join(place, `block-${index}.ts`), text);
    const source = (name: string): string[] => [join(root, 'speech/src', name)];
    const compilerOptions = {
      ...{ strict: true, noEmit: true, target: 'es2024', module: 'esnext', moduleResolution: 'bundler' },
      ...{
        lib: ['es2024', 'esnext.disposable', 'dom', 'dom.iterable', 'dom.asynciterable'],
        types: ['node'],
      },
      ...{ typeRoots: [join(root, 'node_modules/@types')], skipLibCheck: true },
      ...{ allowImportingTsExtensions: true, verbatimModuleSyntax: true },
      paths: { '@crossfade/speech': source('index.ts'), '@crossfade/speech/server': source('server.ts') },
    };
    writeFileSync(join(place, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const { status, stdout } = spawnSync(process.execPath, [compiler, '-p', place], { encoding: 'utf8' });
    assert.equal(status, 0, stdout);
  } finally {
    rmSync(place, { recursive: true });
  }
});

const noNginx = spawnSync('nginx', ['-v']).error === undefined ? false : 'nginx is not installed';

test('nginx as the page says carries requests and upgraded connections', { skip: noNginx }, async () => {
  await using stage = await Stage.make();
  const config = stage.read('crossfade.yaml');
  stage.write('crossfade.yaml', config.replace('listen: {', 'listen: { trustedProxies: [127.0.0.1],'));
  await stage.commit('behind a proxy');
  await stage.up();
  await stage.must('deploy', 'full');
  await using nginx = await startNginx(stage.gatewayPort);
  assert.match(await until(() => askAt(nginx.port).catch(() => undefined)), /hello from r1/);
  const socket = await upgradedAt(nginx.port);
  socket.write('still here?');
  const [echoed] = (await once(socket, 'data')) as [Buffer];
  assert.match(echoed.toString(), /still here\?/);
  socket.destroy();
});

type Proxy = AsyncDisposable & { readonly port: number };

/** The server of the page, with ports of this test. */
async function startNginx(gatewayPort: number): Promise<Proxy> {
  const port = await freePort();
  const server = /^```nginx\n([^]*?)^```/m
    .exec(read('proxies.md'))![1]!
    .replace('8443', `127.0.0.1:${port}`)
    .replace('127.0.0.1:8080', `127.0.0.1:${gatewayPort}`);
  const place = mkdtempSync(join(tmpdir(), 'crossfade-nginx-'));
  const names = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const paths = names.map((name) => `${name}_temp_path ${place}/${name};`).join(' ');
  const path = join(place, 'nginx.conf');
  const main = `daemon off; pid ${place}/pid; error_log stderr; events {}`;
  writeFileSync(path, `${main}\nhttp { access_log off; ${paths}\n${server} }`);
  execFileSync('nginx', ['-t', '-q', '-p', place, '-c', path], { stdio: 'pipe' });
  const child = spawn('nginx', ['-p', place, '-c', path], { stdio: 'ignore' });
  return {
    port,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await once(child, 'exit');
      rmSync(place, { recursive: true });
    },
  };
}

/** Once the app has said its release on it. */
function upgradedAt(port: number): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    const headers = { connection: 'Upgrade', upgrade: 'echo' };
    request({ port, host: '127.0.0.1', path: '/socket', headers })
      .on('upgrade', (_response, socket, head) => {
        if (head.length > 0) resolve(socket);
        else socket.once('data', () => resolve(socket));
      })
      .on('error', reject)
      .end();
  });
}

function askAt(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    request({ port, host: '127.0.0.1' }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => void (body += text));
      response.on('end', () => resolve(body));
    })
      .on('error', reject)
      .end();
  });
}
