// What paths have in common, so that few names stand for many: `/orders/4711?x=1` → `/orders/:id`. Names of
// people and secrets in paths do not leave the gateway, as far as they look like identifiers. Pure but for a
// bounded memory of what it has seen.
const seenLimit = 2_000;
const segmentLimit = 6;
const textLimit = 80;
const seen = new Map<string, string>();

/** The shape of a request target; at most 6 segments and 80 characters. */
export function pathShape(target: string): string {
  const path = /^[^?#]*/.exec(target)![0];
  const known = seen.get(path);
  if (known !== undefined) return known;
  const segments = path.split('/').slice(1);
  const shaped = segments.slice(0, segmentLimit).map(segmentShape);
  const rest = segments.length > segmentLimit ? ['…'] : [];
  const shape = `/${[...shaped, ...rest].join('/')}`.slice(0, textLimit);
  if (seen.size >= seenLimit) seen.clear();
  seen.set(path, shape);
  return shape;
}

/** Digits, hashes, UUIDs, tokens and addresses of people are `:id`; a file named by its hash is `*.EXT`. */
function segmentShape(segment: string): string {
  const file = /[-._][A-Za-z0-9_-]{8,}\.([a-z0-9]{2,5})$/.exec(segment);
  if (file && /\d/.test(segment)) return `*.${file[1]!}`;
  const isId =
    /^\d+$/.test(segment) ||
    /^[0-9a-f-]{8,}$/i.test(segment) ||
    /[@%:=]/.test(segment) ||
    (segment.length >= 16 && /\d/.test(segment)) ||
    segment.length > 40;
  return isId ? ':id' : segment;
}
