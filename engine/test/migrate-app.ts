// A conversation app as users have it before the migration: Expo routes, an agent on Modal behind a LiveKit
// room, environment files, workflows. It builds and passes its tests as it is, and must do so afterwards.
import { execFileSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { sha256Of } from '../src/working-tree.ts';

const root = new URL('../..', import.meta.url).pathname;
export const secrets = [
  'planted-speechmatics-key',
  'planted-livekit-secret',
  'planted-modal-secret',
] as const;

const component = (name: string, body: string): string =>
  `import { View, Text } from 'react-native';\n\nexport function ${name}() {\n  return (\n    <View>\n      ${body}\n    </View>\n  );\n}\n`;

/** A route of Expo's router is the default export of its file. */
const page = (name: string, body: string): string =>
  component(name, body).replace('export function', 'export default function');

const environment = `# Speech
EXPO_PUBLIC_SPEECHMATICS_API_KEY=${secrets[0]}   # move me one day
export EXPO_PUBLIC_LIVEKIT_URL="wss://voice.livekit.cloud"
EXPO_PUBLIC_LIVEKIT_API_KEY=APIabcdef
EXPO_PUBLIC_LIVEKIT_API_SECRET='${secrets[1]}'

# Modal
MODAL_TOKEN_ID=ak-1
MODAL_TOKEN_SECRET=${secrets[2]}
EXPO_PUBLIC_MODAL_ENDPOINT=https://voice--agent.modal.run
EXPO_PUBLIC_SUPABASE_URL=https://x.supabase.co
EXPO_PUBLIC_SUPABASE_ANON_KEY=public-by-design
MODAL_FALLBACK=true
`;

const livekit = `import { Room, RoomEvent } from 'livekit-client';
import { readPacket, type Packet } from './packets';

// One conversation at a time.
let room: Room | undefined;

export async function joinRoom(token: string, onPacket: (packet: Packet) => void): Promise<Room> {
  room = new Room({ adaptiveStream: true });
  room.on(RoomEvent.DataReceived, (payload: Uint8Array) => onPacket(readPacket(payload)));
  await room.connect(process.env.EXPO_PUBLIC_LIVEKIT_URL!, token);
  await room.localParticipant.setMicrophoneEnabled(true);   // asks for the permission
  return room;
}

export async function leaveRoom(): Promise<void> {
  if (!room) return;
  await room.localParticipant.setMicrophoneEnabled(false);
  await room.disconnect();
  room = undefined;
}
`;

const files: Readonly<Record<string, string>> = {
  'package.json': `{
    "name": "table-talk",
    "version": "1.4.0",
    "main": "expo-router/entry",
    "private": true,
    "scripts": {
        "start": "expo start",
        "agent:deploy": "modal deploy agent/modal_app.py",
        "test": "node --test test/*.test.ts"
    },
    "dependencies": {
        "@livekit/react-native": "^2.5.0",
        "@expo/metro-runtime": "~4.0.1",
        "@react-navigation/native": "^7.0.14",
        "expo": "~52.0.47",
        "expo-asset": "~11.0.5",
        "expo-constants": "~17.0.8",
        "expo-font": "~13.0.4",
        "expo-linking": "~7.0.5",
        "expo-router": "~4.0.21",
        "livekit-client": "^2.9.0",
        "livekit-server-sdk": "^2.9.0",
        "query-string": "7.1.3",
        "react": "18.3.1",
        "react-dom": "18.3.1",
        "react-native": "0.76.9",
        "react-native-safe-area-context": "4.12.0",
        "react-native-screens": "~4.4.0",
        "react-native-web": "~0.19.13"
    },
    "devDependencies": {
        "typescript": "5.8.3"
    }
}
`,
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      ...{ strict: true, noEmit: true, jsx: 'preserve', module: 'esnext', moduleResolution: 'bundler' },
      ...{ target: 'es2024', lib: ['es2024', 'dom', 'esnext.disposable', 'dom.iterable'], types: ['node'] },
      ...{ allowImportingTsExtensions: true, skipLibCheck: true, verbatimModuleSyntax: true },
    },
    include: ['app', 'components', 'hooks', 'lib', 'server', 'types', 'test', 'app.config.ts'],
  }),
  'app.json': `{
  // Expo reads comments.
  "expo": {
    "name": "Table Talk",
    "web": { "output": "server" },
    "extra": {
      "livekitUrl": "\${EXPO_PUBLIC_LIVEKIT_URL}",
      "router": {}
    }
  }
}
`,
  'app.config.ts': `// Read by Expo at build time.
export default {
  name: 'Table Talk',
  slug: 'table-talk',
  scheme: 'table-talk',
  web: { bundler: 'metro', output: 'server' },
  plugins: ['expo-router'],
  extra: {
    speechmaticsKey: process.env.EXPO_PUBLIC_SPEECHMATICS_API_KEY ?? '',
    supabaseUrl: process.env.EXPO_PUBLIC_SUPABASE_URL, // stays
  },
};
`,
  '.env': environment,
  '.env.example': environment.replace(/=.*/g, '='),
  '.env.production': environment.replace('cloud', 'example'),
  '.gitignore': 'node_modules/\n.env\n.crossfade/\n',
  'eas.json': '{ "build": { "production": {} } }\n',
  'README.md': '# Table Talk\n\nPut the phone on the table and read along.\n',
  'app/_layout.tsx': `import { Slot } from 'expo-router';\n\nexport default function Layout() {\n  return <Slot />;\n}\n`,
  'app/index.tsx': `import { Text } from 'react-native';
import { useTranscription } from '../hooks/useTranscription';

export default function Index() {
  const { lines } = useTranscription();
  return <Text>{lines.join('\\n')}</Text>;
}
`,
  'app/permissions.tsx': page('Permissions', '<Text>May we listen?</Text>'),
  'app/(tabs)/history.tsx': page('History', '<Text>Earlier conversations</Text>'),
  'app/(tabs)/settings.tsx': page('Settings', '<Text>Language</Text>'),
  'app/api/health+api.ts': `export const GET = (): Response => Response.json({ status: 'ok' });\n`,
  'app/api/livekit-token+api.ts': `import { AccessToken } from 'livekit-server-sdk';

export async function POST(): Promise<Response> {
  const token = new AccessToken(process.env.EXPO_PUBLIC_LIVEKIT_API_KEY, process.env.EXPO_PUBLIC_LIVEKIT_API_SECRET);
  return Response.json({ token: await token.toJwt() });
}
`,
  'app/api/transcripts+api.ts': `// A batch transcript of an uploaded recording.
export async function POST(request: Request): Promise<Response> {
  const key = process.env.EXPO_PUBLIC_SPEECHMATICS_API_KEY;
  if (!key) return Response.json({ error: 'no key' }, { status: 503 });
  return Response.json({ bytes: (await request.arrayBuffer()).byteLength });
}
`,
  'components/ConversationView.tsx': component('ConversationView', '<Text>…</Text>'),
  'components/SpeakerBadge.tsx': component('SpeakerBadge', '<Text>S1</Text>'),
  'components/RecordButton.tsx': component('RecordButton', '<Text>Record</Text>'),
  'components/LanguageSwitch.tsx': component('LanguageSwitch', '<Text>en / fr</Text>'),
  'components/ErrorBanner.tsx': component('ErrorBanner', '<Text>Something went wrong</Text>'),
  'components/StatusPill.tsx': component('StatusPill', '<Text>live</Text>'),
  'hooks/useTranscription.ts': `import { joinRoom, leaveRoom } from '../lib/livekit';

const lines: string[] = [];

export function useTranscription() {
  const start = (token: string) => joinRoom(token, ({ text }) => void lines.push(text));
  return { lines, start, stop: leaveRoom };
}
`,
  'hooks/useSpeakers.ts': `import { colourOf } from '../lib/colours';\n\nexport const useSpeakers = (names: string[]) => names.map(colourOf);\n`,
  'hooks/useLanguage.ts': `export const useLanguage = (): 'en' | 'fr' => 'en';\n`,
  'lib/livekit.ts': livekit,
  'lib/presence.ts': `import { Room } from 'livekit-client';

const room = new Room();

/** Who else sits at the table. */
export function guests(): number {
  return room.remoteParticipants.size;
}
`,
  'lib/packets.ts': `export type Packet = { text: string; speaker: string | null; is_final: boolean };

export function readPacket(payload: Uint8Array): Packet {
  return JSON.parse(new TextDecoder().decode(payload)) as Packet;
}
`,
  'lib/colours.ts': `const colours = ['red', 'green', 'blue'];\n\nexport const colourOf = (speaker: string): string => colours[speaker.length % colours.length]!;\n`,
  'lib/i18n.ts': `import en from '../locales/en.json' with { type: 'json' };\n\nexport const t = (key: keyof typeof en): string => en[key];\n`,
  'lib/supabase.ts': `export const url = process.env.EXPO_PUBLIC_SUPABASE_URL;\nexport const anon = process.env.EXPO_PUBLIC_SUPABASE_ANON_KEY;\n`,
  'lib/config.ts': `export const config = {\n  speechKey: process.env.EXPO_PUBLIC_SPEECHMATICS_API_KEY,\n  phase: process.env.MIGRATION_PHASE,\n};\n`,
  'lib/format.ts': `export const clock = (seconds: number): string => \`\${Math.floor(seconds / 60)}:\${String(seconds % 60).padStart(2, '0')}\`;\n`,
  'lib/modal-endpoint.ts': `export const endpoint = process.env.EXPO_PUBLIC_MODAL_ENDPOINT;\n`,
  'locales/en.json': '{ "hello": "Hello" }\n',
  'locales/fr.json': '{ "hello": "Bonjour" }\n',
  'agent/agent.py': `import asyncio\n\nfrom livekit import agents\nfrom speechmatics.rt import AsyncClient\n\n\nasync def entrypoint(ctx: agents.JobContext):\n    await ctx.connect()\n`,
  'agent/modal_app.py': `import modal\n\napp = modal.App("agent")\n\n\n@app.function(gpu="any")\ndef run():\n    pass\n`,
  'agent/prompts.py': `WELCOME = "hello"\n`,
  'agent/requirements.txt': `# what the agent needs\nmodal==0.73.1\nlivekit-agents[speechmatics]>=1.0  # rooms\nspeechmatics-rt==0.3.0\n`,
  'agent/pyproject.toml': `[project]\nname = "agent"\ndependencies = [\n  "modal>=0.73",\n  "livekit-agents~=1.0",\n  "httpx>=0.27",  # stays\n]\n\n[tool.uv]\ndev-dependencies = ["pytest"]\n`,
  'agent/uv.lock': `version = 1\n\n[[package]]\nname = "modal"\nversion = "0.73.1"\n`,
  'agent/README.md': '# The agent\n',
  '.github/workflows/ci.yml': `name: ci\non: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    env:\n      EXPO_PUBLIC_SPEECHMATICS_API_KEY: \${{ secrets.EXPO_PUBLIC_SPEECHMATICS_API_KEY }}   # used by the export\n    steps:\n      - uses: actions/checkout@v4\n      - run: npm test\n`,
  '.github/workflows/deploy-agent.yml': `name: deploy\non:\n  push: { branches: [main] }\n\njobs:\n  agent:\n    runs-on: ubuntu-latest\n    env:\n      MODAL_TOKEN_ID: \${{ secrets.MODAL_TOKEN_ID }}\n      MODAL_TOKEN_SECRET: \${{ secrets.MODAL_TOKEN_SECRET }}\n    steps:\n      - uses: actions/checkout@v4\n      # the agent\n      - name: Deploy the agent\n        run: |\n          pip install modal\n          modal deploy agent/modal_app.py\n      - run: npx eas update --auto\n`,
  'scripts/deploy-agent.sh': '#!/bin/sh\nmodal deploy agent/modal_app.py\n',
  'types/react-native.d.ts': `declare module 'react-native' {\n  export const View: (props: { children?: unknown }) => JSX.Element;\n  export const Text: (props: { children?: unknown }) => JSX.Element;\n}\ndeclare namespace JSX {\n  type Element = unknown;\n  interface ElementChildrenAttribute { children: unknown }\n}\n`,
  'types/expo-router.d.ts': `declare module 'expo-router' {\n  export const Slot: () => JSX.Element;\n}\n`,
  'types/livekit-client.d.ts': `declare module 'livekit-client' {\n  export class Room {\n    constructor(options?: object);\n    readonly remoteParticipants: Map<string, unknown>;\n    readonly localParticipant: { setMicrophoneEnabled(on: boolean): Promise<void> };\n    on(event: string, handler: (payload: Uint8Array) => void): this;\n    connect(url: string, token: string): Promise<void>;\n    disconnect(): Promise<void>;\n  }\n  export const RoomEvent: { DataReceived: string };\n}\n`,
  'types/livekit-server-sdk.d.ts': `declare module 'livekit-server-sdk' {\n  export class AccessToken {\n    constructor(key?: string, secret?: string);\n    toJwt(): Promise<string>;\n  }\n}\n`,
  'test/packets.test.ts': `import { test } from 'node:test';\nimport assert from 'node:assert/strict';\nimport { readPacket } from '../lib/packets.ts';\n\ntest('a packet is read', () => {\n  const packet = { text: 'hello', speaker: 'S1', is_final: true };\n  assert.deepEqual(readPacket(new TextEncoder().encode(JSON.stringify(packet))), packet);\n});\n`,
  'test/colours.test.ts': `import { test } from 'node:test';\nimport assert from 'node:assert/strict';\nimport { colourOf } from '../lib/colours.ts';\n\ntest('a speaker keeps a colour', () => assert.equal(colourOf('S1'), colourOf('S2')));\n`,
  'test/format.test.ts': `import { test } from 'node:test';\nimport assert from 'node:assert/strict';\nimport { clock } from '../lib/format.ts';\n\ntest('minutes and seconds', () => assert.equal(clock(65), '1:05'));\n`,
  'test/i18n.test.ts': `import { test } from 'node:test';\nimport assert from 'node:assert/strict';\nimport { t } from '../lib/i18n.ts';\n\ntest('a greeting', () => assert.equal(t('hello'), 'Hello'));\n`,
};

export const fileCount = Object.keys(files).length;

/** What must succeed before and after: the compiler of this repository and the app's own tests. */
export const checks = [
  `'${process.execPath}' '${join(root, 'node_modules/typescript/bin/tsc')}' -p .`,
  `'${process.execPath}' --test "test/*.test.ts"`,
] as const;

export type MigratedApp = Disposable & { readonly folder: string };

/** Path → kind, mode and content of everything but git's, Crossfade's and installed files; folders too. */
export function worldOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const look = (below: string): void => {
    for (const name of readdirSync(join(folder, below))) {
      const path = join(below, name);
      if (/(^|\/)(\.git|\.crossfade|\.crossfade-seen|node_modules)$/.test(path)) continue;
      const stats = lstatSync(join(folder, path));
      const mode = (stats.mode & 0o777).toString(8);
      if (stats.isSymbolicLink()) found[path] = `→ ${readlinkSync(join(folder, path))}`;
      else if (stats.isDirectory()) found[path] = 'folder';
      else if (stats.size > 65_536) found[path] = `${mode} ${sha256Of(join(folder, path))}`;
      else found[path] = `${mode} ${readFileSync(join(folder, path), 'base64')}`;
      if (stats.isDirectory()) look(path);
    }
  };
  look('');
  return found;
}

export function makeMigrateApp(): MigratedApp {
  const folder = mkdtempSync(join(tmpdir(), 'crossfade-migrate-'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  for (const name of ['@crossfade/speech', '@types/node', 'undici-types']) {
    const from = name === '@crossfade/speech' ? join(root, 'speech') : join(root, 'node_modules', name);
    mkdirSync(dirname(join(folder, 'node_modules', name)), { recursive: true });
    symlinkSync(from, join(folder, 'node_modules', name));
  }
  const git = (...args: string[]): void => void execFileSync('git', args, { cwd: folder });
  git('init', '-q', '-b', 'main');
  git('add', '-A');
  git('-c', 'user.name=t', '-c', 'user.email=t@localhost', 'commit', '-q', '-m', 'before');
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) };
}
