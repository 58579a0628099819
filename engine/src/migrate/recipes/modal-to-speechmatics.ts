// From an agent on Modal behind a LiveKit room to sessions that speak to Speechmatics directly (speech spec,
// section 1): packages, the Python agent, variables, workflows, routes for token and plan, and clients of the
// room where the step is mechanical.
import { readFileSync } from 'node:fs';
import { editAppConfig } from './app-config.ts';
import { clientPath, moveClients } from './livekit-client.ts';
import { moveToServer, publicSecrets } from './public-keys-to-server.ts';
import { calledIn } from '../edit-workflow.ts';
import type { Recipe } from '../recipe.ts';
import { lineAt, type Tree } from '../tree.ts';

const modalOrLivekit = /^(?:modal|modal-client|livekit(?:-agents|-api|-plugins-[\w-]+)?)$/i;
const modalCommand =
  /\bmodal (?:deploy|serve|run|app|setup|token|secret|volume|environment)\b|\bpip3? install\b.*\bmodal\b/;
/** As a whole: `python -m modal deploy x`, `pip install -q "modal>=1"`. */
const goneCommand = new RegExp(
  '^(?:(?:\\w+=\\S+|python3?|uv|poetry|pipx|-m|run) )*' +
    '(?:modal(?: .*)?|(?:pip3? install|uv pip install)(?: -\\S+)*(?: ["\']?(?:modal|livekit)[^\\s/]*)+)$',
);
const serverCode = /\+api\.[jt]sx?$|(^|\/)(?:server|functions)\/.*\.[jt]sx?$/;

/** Gone with the agent; what the app itself needs comes again below. */
const variables = new Map<string, string | undefined>([
  ...['MODAL_TOKEN_ID', 'MODAL_TOKEN_SECRET', 'MODAL_APP_NAME', 'MODAL_ENVIRONMENT', 'MODAL_ENDPOINT'].map(
    (name) => [name, undefined] as const,
  ),
  ['EXPO_PUBLIC_MODAL_ENDPOINT', undefined],
  ['EXPO_PUBLIC_LIVEKIT_URL', undefined],
  ['EXPO_PUBLIC_LIVEKIT_API_KEY', undefined],
  ['EXPO_PUBLIC_LIVEKIT_API_SECRET', undefined],
  ['LIVEKIT_URL', undefined],
  ['LIVEKIT_API_KEY', undefined],
  ['LIVEKIT_API_SECRET', undefined],
  ['EXPO_PUBLIC_SPEECHMATICS_API_KEY', 'SPEECHMATICS_API_KEY'],
]);

export const modalToSpeechmatics: Recipe = {
  name: 'modal-to-speechmatics',
  title: 'From Modal to Speechmatics',
  unfit: (tree) => {
    const manifests = tree.paths(
      /(^|\/)(?:package\.json|.*requirements.*\.(?:txt|in)|pyproject\.toml|Pipfile)$/,
    );
    const isThere = manifests.some((path) => /livekit|\bmodal\b/i.test(tree.read(path)));
    return isThere
      ? undefined
      : 'no package of Modal or LiveKit is named in package.json, requirements or pyproject.toml';
  },
  packages: {
    remove: /^(?:livekit-client|livekit-server-sdk|@livekit\/.+|modal)$/,
    add: { '@crossfade/speech': '0.1.0' },
    addDev: { '@crossfade/cli': '0.1.0' },
    removeScripts: /\bmodal (?:deploy|serve|run|app)\b/,
    addScripts: { deploy: 'crossfade deploy', rollback: 'crossfade rollback' },
  },
  python: modalOrLivekit,
  variables,
  newVariables: {
    SPEECHMATICS_API_KEY: 'The vendor’s key, read by the server alone, never with a public prefix',
  },
  workflows: {
    // MODAL_FALLBACK is a flag of the app, not a name of the agent's.
    keys: /^(?:MODAL_(?!FALLBACK$)\w+|LIVEKIT_\w+|EXPO_PUBLIC_(?:MODAL|LIVEKIT)_\w+)$/,
    commands: goneCommand,
    mentions: modalCommand,
  },
  deprecated(path, read) {
    if (/(^|\/)\.?venv\/|(^|\/)site-packages\//.test(path)) return undefined;
    if (path.endsWith('.py') && /^\s*(?:import|from)\s+(?:modal|livekit)\b/m.test(read()))
      return 'the agent on Modal serves until the new release has baked';
    if (/\+api\.[jt]sx?$/.test(path) && /from ['"]livekit-server-sdk['"]/.test(read()))
      return 'nobody joins a room any more';
    return undefined;
  },
  code(tree) {
    moveClients(tree, (path) => serverCode.test(path));
    const secrets = publicSecrets(tree);
    for (const [from, to] of variables) if (to !== undefined) secrets.set(from, to);
    for (const name of [...secrets.keys()]) if (/LIVEKIT|MODAL/.test(name)) secrets.delete(name);
    editAppConfig(tree, new Set([...variables.keys(), ...secrets.keys()]));
    moveToServer(tree, secrets);
    askAboutModal(tree);
    askAboutScripts(tree);
    noteLocks(tree);
    return secrets;
  },
  created: [
    {
      path: clientPath,
      why: 'what pages use of a speech session',
      text: template('speech-client.txt'),
    },
    {
      path: 'server/signed-in.ts',
      why: 'who may have a token: yours to say',
      text: template('signed-in.txt'),
    },
    {
      path: 'app/api/speechmatics-token+api.ts',
      why: 'short-lived tokens, so that the key stays on the server',
      text: template('speechmatics-token.txt'),
    },
    {
      path: 'app/api/session-plan+api.ts',
      why: 'which speech routes a session takes, as Crossfade says',
      text: template('session-plan.txt'),
    },
  ],
  checks: [],
  afterwards: [
    '`npm install` brings the lock file in step with package.json.',
    '`server/signed-in.ts`: say who is signed in; until then nobody gets a token.',
    'Change the Speechmatics key if it ever had a public name: whoever has seen the page has it.',
    'Set SPEECHMATICS_API_KEY where the server runs.',
    'Take the secrets of Modal and LiveKit out of GitHub after the bake.',
    '`crossfade init`, then `crossfade deploy canary 10`; after the bake `crossfade migrate cleanup`.',
  ],
};

/** Beside this file, as it will stand in the project. */
function template(name: string): string {
  return readFileSync(new URL(`./modal-to-speechmatics/${name}`, import.meta.url), 'utf8');
}

/** Where the app speaks to Modal itself. */
function askAboutModal(tree: Tree): void {
  for (const path of tree.paths(/\.[cm]?[jt]sx?$/)) {
    const text = tree.read(path);
    for (const found of text.matchAll(/EXPO_PUBLIC_MODAL_ENDPOINT|\bmodal\.run\b|EXPO_PUBLIC_LIVEKIT_\w+/g))
      tree.ask(
        path,
        lineAt(text, found.index),
        `${found[0]}: this speaks to what is going away; use a SpeechSession (${clientPath})`,
      );
  }
}

function askAboutScripts(tree: Tree): void {
  for (const path of tree.paths(/\.(?:sh|mk)$|(^|\/)(?:Makefile|Justfile|Procfile|Dockerfile[\w.-]*)$/))
    for (const [index, line] of tree.read(path).split('\n').entries()) {
      const called = calledIn(line, modalCommand);
      if (called !== undefined)
        tree.ask(path, index + 1, `\`${called}\`: nothing of it is left to deploy after the bake`);
    }
}

function noteLocks(tree: Tree): void {
  for (const path of tree.paths(/(^|\/)(?:uv\.lock|poetry\.lock|Pipfile\.lock)$/))
    if (/^name = "(?:modal|livekit[\w-]*)"/m.test(tree.read(path)))
      tree.ask(path, 1, 'names packages that are gone: lock again (`uv lock`, `poetry lock`)');
}
