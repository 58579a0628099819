// From a LiveKit room that is used for transcription to a SpeechSession, where every use of the room is one
// that has the same meaning there. A file with any other use is left as it is, and each such use is named.
import MagicString from 'magic-string';
import { dirname, relative } from 'node:path/posix';
import { isNode, parseCode, walk, type Node } from '../edit-code.ts';
import { lineAt, type Reason, type Tree } from '../tree.ts';

export const clientPath = 'lib/speech-client.ts';
const packages = new Set([
  'livekit-client',
  '@livekit/react-native',
  '@livekit/react-native-webrtc',
  '@livekit/components-react',
]);
const code = /\.[cm]?[jt]sx?$/;

type Found = {
  readonly imports: readonly Node[];
  /** Local names of what the packages export. */
  readonly names: ReadonlyMap<string, string>;
  readonly rooms: ReadonlySet<string>;
};

export function moveClients(tree: Tree, isServer: (path: string) => boolean): void {
  for (const path of tree.paths(code)) {
    const text = tree.read(path);
    if (isServer(path) || ![...packages].some((name) => text.includes(name))) continue;
    const program = parseCode(text);
    if (!program) {
      tree.ask(path, 1, 'cannot be read: move it from LiveKit to @crossfade/speech by hand');
      continue;
    }
    const found = roomsIn(program);
    if (found.imports.length === 0) continue;
    const source = new MagicString(text);
    const reasons: Reason[] = [];
    const strange = rewrite(program, found, text, source, reasons, importPath(path));
    if (strange.length === 0) {
      tree.edit(path, source.toString(), reasons);
      const handler = /\basDataPacket\b/.exec(tree.read(path));
      if (handler)
        tree.ask(
          path,
          lineAt(tree.read(path), handler.index),
          `asDataPacket in ${clientPath} gives what the agent sent: look whether it has every field that is read here`,
        );
      continue;
    }
    for (const node of strange) {
      // A literal may be a key.
      const shown = text.slice(node.start, node.end).replace(/(["'`])(?:\\.|(?!\1)[^\\])*\1?/g, '$1…$1');
      tree.ask(
        path,
        lineAt(text, node.start),
        `\`${shown.split('\n')[0]!.slice(0, 60)}\` has no counterpart in a SpeechSession: move this file by hand`,
      );
    }
  }
}

function importPath(path: string): string {
  const to = relative(dirname(path), clientPath.replace(/\.ts$/, ''));
  return to.startsWith('.') ? to : `./${to}`;
}

function roomsIn(program: Node): Found {
  const imports: Node[] = [];
  const names = new Map<string, string>();
  const rooms = new Set<string>();
  walk(program, (node) => {
    if (node.type === 'ImportDeclaration' && packages.has(String((node['source'] as Node)['value']))) {
      imports.push(node);
      for (const each of node['specifiers'] as Node[])
        names.set(
          String((each['local'] as Node)['name']),
          String((each['imported'] as Node | undefined)?.['name'] ?? '*'),
        );
    }
  });
  walk(program, (node) => {
    const [target, value] =
      node.type === 'VariableDeclarator' ? [node['id'], node['init']] : [node['left'], node['right']];
    if (!isNode(target) || !isNode(value) || target.type !== 'Identifier' || value.type !== 'NewExpression')
      return;
    if (names.get(String((value['callee'] as Node)['name'])) === 'Room') rooms.add(String(target['name']));
  });
  return { imports, names, rooms };
}

/** Gives the uses that have no counterpart. */
function rewrite(
  program: Node,
  { imports, names, rooms }: Found,
  text: string,
  source: MagicString,
  reasons: Reason[],
  client: string,
): Node[] {
  const strange: Node[] = [];
  const helpers = new Set(['fetchSessionPlan']);
  const replace = (node: Node, to: string, what: string): void => {
    source.update(node.start, node.end, to);
    reasons.push({ line: lineAt(text, node.start), text: what });
  };
  const isRoom = (node: unknown): node is Node =>
    isNode(node) && node.type === 'Identifier' && rooms.has(String(node['name']));
  const handled = new Set<Node>();
  walk(program, (node) => {
    if (node.type === 'NewExpression' && names.get(String((node['callee'] as Node)['name'])) === 'Room') {
      handled.add(node['callee'] as Node);
      replace(node, 'new SpeechSession({ plan: fetchSessionPlan })', 'a room becomes a speech session');
    }
    if (node.type === 'TSTypeReference' && names.get(String((node['typeName'] as Node)['name'])) === 'Room') {
      handled.add(node['typeName'] as Node);
      replace(node['typeName'] as Node, 'SpeechSession', 'Room becomes SpeechSession');
    }
    if (node.type !== 'CallExpression') return;
    const call = callOf(node, isRoom, names);
    if (!call) return;
    for (const each of call.handled) handled.add(each);
    for (const each of call.helpers) helpers.add(each);
    call.edit(source, text);
    reasons.push({ line: lineAt(text, node.start), text: call.what });
  });
  walk(program, (node, parent) => {
    if (
      node.type !== 'Identifier' ||
      handled.has(node) ||
      imports.some((each) => node.start >= each.start && node.end <= each.end)
    )
      return;
    const name = String(node['name']);
    if (
      !names.has(name) &&
      !(rooms.has(name) && parent?.type.endsWith('MemberExpression') && parent['object'] === node)
    )
      return;
    strange.push(parent && names.has(name) === false ? parent : node);
  });
  const [first, ...others] = imports;
  const lines = [
    `import { SpeechSession } from '@crossfade/speech';`,
    `import { ${[...helpers].sort().join(', ')} } from '${client}';`,
  ];
  replace(first!, lines.join('\n'), 'LiveKit is imported no more');
  for (const each of others) source.remove(each.start, each.end);
  return strange;
}

type Call = {
  readonly what: string;
  readonly handled: readonly Node[];
  readonly helpers: readonly string[];
  edit(source: MagicString, text: string): void;
};

/** The calls that mean the same in both worlds. */
function callOf(
  node: Node,
  isRoom: (node: unknown) => node is Node,
  names: Found['names'],
): Call | undefined {
  const { callee, arguments: given } = node as unknown as { callee: Node; arguments: Node[] };
  if (!callee.type.endsWith('MemberExpression')) return undefined;
  const { object, property } = callee as unknown as { object: Node; property: Node };
  const method = String(property['name']);
  const inner = object['object'];
  if (
    method === 'setMicrophoneEnabled' &&
    isRoom(inner) &&
    (object['property'] as Node)['name'] === 'localParticipant'
  ) {
    const helper = given[0]?.['value'] === false ? 'stopMicrophone' : 'startMicrophone';
    const name = String(inner['name']);
    return {
      what: `the microphone goes into the session: ${helper}`,
      ...{ handled: [inner], helpers: [helper] },
      edit: (source) => void source.update(node.start, node.end, `${helper}(${name})`),
    };
  }
  if (!isRoom(object)) return undefined;
  if (method === 'connect' || method === 'disconnect') {
    const to = method === 'connect' ? 'start' : 'stop';
    const optional = callee.type === 'OptionalMemberExpression' ? '?.' : '.';
    const name = String(object['name']);
    return {
      what: `${method} becomes ${to}`,
      ...{ handled: [object], helpers: [] },
      edit: (source) => void source.update(node.start, node.end, `${name}${optional}${to}()`),
    };
  }
  const [event, handler] = given;
  const isData = event !== undefined && isEvent(event, names, 'DataReceived');
  if (method !== 'on' || !isData || !handler) return undefined;
  return {
    what: 'data packets of the agent become commits of the session',
    ...{ handled: [object, event['object'] as Node], helpers: ['asDataPacket'] },
    edit(source, text) {
      const written = text.slice(handler.start, handler.end);
      source.update(event.start, event.end, "'commit'");
      source.update(handler.start, handler.end, `(commit) => (${written})(asDataPacket(commit))`);
    },
  };
}

function isEvent(node: Node, names: Found['names'], event: string): boolean {
  if (node.type !== 'MemberExpression') return false;
  const { object, property } = node as unknown as { object: Node; property: Node };
  return names.get(String(object['name'])) === 'RoomEvent' && property['name'] === event;
}
