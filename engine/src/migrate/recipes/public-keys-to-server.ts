// Secrets that a build makes public (EXPO_PUBLIC_…KEY and the like) get names that it does not, in
// environment files, workflows and code of the server; what code of the page does with them is for a person.
import MagicString from 'magic-string';
import { parseCode, variableOf, walk } from '../edit-code.ts';
import type { Recipe } from '../recipe.ts';
import { lineAt, type Tree } from '../tree.ts';

const publicSecret = new RegExp(
  '^(?:EXPO_PUBLIC|NEXT_PUBLIC|VITE|REACT_APP)_' +
    '((?:\\w*_)?(?:(?:API|PRIVATE)_KEY|SECRET|TOKEN|PASSWORD)(?:_\\w+)?)$',
);
/** Made to be public. */
const harmless = /ANON_KEY|PUBLISHABLE|SITE_KEY|MAPBOX_TOKEN/;
const serverCode = /\+api\.[jt]sx?$|(^|\/)(server|api|functions)\/.*\.[jt]sx?$/;
const code = /\.[cm]?[jt]sx?$/;

/** The name on the server; undefined for what may be public. */
export function serverName(name: string): string | undefined {
  return harmless.test(name) ? undefined : publicSecret.exec(name)?.[1];
}

/** Every public secret that the project names. */
export function publicSecrets(tree: Tree): Map<string, string> {
  const found = new Map<string, string>();
  for (const path of tree.paths(/\.(env[\w.-]*|[cm]?[jt]sx?|json|ya?ml)$|(^|\/)\.env/)) {
    for (const [name] of tree.read(path).matchAll(/\b(?:EXPO_PUBLIC|NEXT_PUBLIC|VITE|REACT_APP)_\w+/g)) {
      const to = serverName(name);
      if (to !== undefined) found.set(name, to);
    }
  }
  return found;
}

/** Renames where the server reads them; names each place of the page that does. */
export function moveToServer(tree: Tree, names: ReadonlyMap<string, string>): void {
  for (const path of tree.paths(code)) {
    const text = tree.read(path);
    const named = [...names.keys()].find((name) => text.includes(name));
    if (named === undefined) continue;
    const program = parseCode(text);
    if (!program) {
      tree.ask(
        path,
        lineAt(text, text.indexOf(named)),
        `${named}: this file cannot be read, rename it by hand`,
      );
      continue;
    }
    const source = new MagicString(text);
    const reasons: { line: number; text: string }[] = [];
    walk(program, (node) => {
      const name = variableOf(node);
      const to = name === undefined ? undefined : names.get(name);
      if (name === undefined || to === undefined) return;
      const line = lineAt(text, node.start);
      if (!serverCode.test(path))
        return tree.ask(
          path,
          line,
          `${name} is in the page: everybody can read it. Ask a route of the server instead, and change the key`,
        );
      source.update(node.start, node.end, `process.env.${to}`);
      reasons.push({ line, text: `${name} becomes ${to}` });
    });
    tree.edit(path, source.toString(), reasons);
  }
}

export const publicKeysToServer: Recipe = {
  name: 'public-keys-to-server',
  title: 'Secrets leave the page',
  unfit: (tree) =>
    publicSecrets(tree).size === 0 ? 'no variable that a build makes public sounds like a secret' : undefined,
  code(tree) {
    const names = publicSecrets(tree);
    moveToServer(tree, names);
    return names;
  },
  checks: [],
  afterwards: ['Change every key that was public: whoever has seen the page has it.'],
};
