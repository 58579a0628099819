// How neighbouring versions understand each other. Every answer of the controller and of the gateway's socket
// names the version of the product and of the API; the caller names its own. A neighbour that says nothing
// is older than these headers and speaks API 1. Within one API version, unknown fields of an answer are
// ignored and unknown fields of a request are refused; another API version is refused by either side.

export const productVersion = '0.1.0';
export const apiVersion = 1;

export const apiHeader = 'crossfade-api';
export const versionHeader = 'crossfade-version';

export const versionHeaders: Readonly<Record<string, string>> = {
  [apiHeader]: String(apiVersion),
  [versionHeader]: productVersion,
};

export type Spoken = { readonly api: number; readonly version: string | undefined };

/** What a neighbour says of itself; its API is NaN when the header is there and is no number. */
export function spokenBy(headers: { readonly [name: string]: unknown }): Spoken {
  const text = headers[apiHeader];
  const version = headers[versionHeader];
  return {
    api: text === undefined ? 1 : /^\d{1,6}$/.test(String(text)) ? Number(text) : Number.NaN,
    version: typeof version === 'string' && /^[\w.+-]{1,40}$/.test(version) ? version : undefined,
  };
}

/** Why the two cannot talk, as one sentence; undefined when they can. */
export function apiMismatch(caller: [string, Spoken], answerer: [string, Spoken]): string | undefined {
  const [[asking, theirs], [answering, ours]] = [caller, answerer];
  if (theirs.api === ours.api) return undefined;
  return `this ${asking} speaks api ${apiText(theirs)}, the ${answering} ${apiText(ours)}`;
}

/** ` (caller 0.2.0, controller 0.1.0)` when the versions differ: an unknown field then has a reason. */
export function versionsText(caller: [string, Spoken], answerer: [string, Spoken]): string {
  const [[asking, theirs], [answering, ours]] = [caller, answerer];
  if (theirs.version === undefined || theirs.version === ours.version) return '';
  return `; this ${asking} is crossfade ${theirs.version}, the ${answering} ${ours.version}`;
}

export const own: Spoken = { api: apiVersion, version: productVersion };

/** What to do about it: the same for everybody. */
export const mismatchHint =
  'use the same version of crossfade on both sides; `crossfade --version` says yours';

function apiText({ api, version }: Spoken): string {
  const text = Number.isNaN(api) ? 'an unreadable version' : String(api);
  return version === undefined ? text : `${text} (crossfade ${version})`;
}
