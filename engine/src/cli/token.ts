// `crossfade token create | list | revoke`: who else may do what, and until when. A token is printed once,
// alone on stdout, so that it can be piped to where it belongs.
import { isAction, roles, type Action, type Role } from '../api/roles.ts';
import type { TokenView } from '../api/tokens.ts';
import { durationMs } from '../config-schema.ts';
import { CrossfadeError, type ExitCode } from '../errors.ts';
import { controlClient, type GlobalOptions } from './connection.ts';
import { print, printJson, say } from './render.ts';

export type TokenOptions = GlobalOptions & {
  readonly role?: string;
  readonly expires?: string;
  readonly scope?: string;
};

export async function createToken(name: string, options: TokenOptions): Promise<ExitCode> {
  const request = {
    name,
    role: roleOf(options.role),
    ...(options.expires !== undefined && { lifeMs: lifeOf(options.expires) }),
    ...(options.scope !== undefined && { scope: scopeOf(options.scope) }),
  };
  const made = await controlClient(options).createToken(request);
  if (options.json) {
    printJson(made);
    return 0;
  }
  print(made.token);
  const { id, expiresAt } = made.view;
  say(
    `token ${id} of ${name} (${rightsText(made.view)}), good until ${dayText(expiresAt)}; it is not shown again`,
  );
  return 0;
}

export async function listTokens(options: GlobalOptions): Promise<ExitCode> {
  const tokens = await controlClient(options).tokens();
  if (options.json) printJson({ tokens });
  else if (tokens.length === 0)
    say('there are no tokens: `crossfade token create NAME --role operator` makes one');
  else for (const each of tokens) print(lineOf(each));
  return 0;
}

export async function revokeToken(id: string, options: GlobalOptions): Promise<ExitCode> {
  const view = await controlClient(options).revokeToken(id);
  if (options.json) printJson(view);
  else say(`token ${view.id} of ${view.name} is refused from now on`);
  return 0;
}

function lineOf(view: TokenView): string {
  const { id, name, createdBy, expiresAt, lastUsedAt, revokedAt } = view;
  const end = revokedAt === undefined ? `until ${dayText(expiresAt)}` : `revoked ${dayText(revokedAt)}`;
  const used = lastUsedAt === undefined ? 'never used' : `used ${dayText(lastUsedAt)}`;
  return [id, name.padEnd(16), rightsText(view).padEnd(24), end, used, `by ${createdBy}`].join('  ');
}

function rightsText({ role, scope }: TokenView): string {
  return scope === undefined ? role : `${role}: ${scope.join(', ') || 'looking only'}`;
}

function dayText(at: number): string {
  return new Date(at).toISOString().slice(0, 16).replace('T', ' ');
}

function roleOf(text: string | undefined): Role {
  const found = roles.find((each) => each === text);
  if (found) return found;
  const what = text === undefined ? 'a role is needed' : `"${text}" is not a role`;
  throw new CrossfadeError(
    'usage',
    what,
    `\`crossfade token create ci --role operator\`; roles: ${roles.join(', ')}`,
  );
}

function lifeOf(text: string): number {
  const ms = durationMs(text);
  if (ms !== undefined) return Math.round(ms);
  throw new CrossfadeError(
    'usage',
    `"${text}" is not a duration such as 30d`,
    '`--expires 90d`, a year at most',
  );
}

function scopeOf(text: string): Action[] {
  return text.split(',').map((each) => {
    const name = each.trim();
    if (isAction(name)) return name;
    throw new CrossfadeError('usage', `"${name}" is not an action`, '`--scope deploy,promote,rollback`');
  });
}
