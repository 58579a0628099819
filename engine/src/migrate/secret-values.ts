// Values that must not be shown, wherever they stand: those of environment files, where they look like keys,
// and literals beside names that say what they are.
import { environmentPath, environmentValues } from './environment-file.ts';
import type { FileChange } from './tree.ts';

/** Shorter ones are words that stand everywhere. */
const shortestSecret = 8;
const secretName = /KEY|TOKEN|SECRET|PASS|PWD|CREDENTIAL|PRIVATE|DSN/i;

export function secretValues(changes: readonly Pick<FileChange, 'path' | 'before' | 'after'>[]): string[] {
  const texts = changes.flatMap(({ path, before = '', after }) =>
    environmentPath.test(path) ? [before, after] : [],
  );
  const found = texts
    .flatMap(environmentValues)
    .filter(
      ([name, value]) => value.length >= shortestSecret && (secretName.test(name) || looksRandom(value)),
    );
  const lines = found.flatMap(([, value]) => [value, ...value.split(/\r?\n/)]);
  return [...new Set(lines.filter((each) => each.length >= shortestSecret))].sort(
    (one, other) => other.length - one.length,
  );
}

export function maskValues(text: string, values: readonly string[]): string {
  return values.reduce((shown, value) => shown.replaceAll(value, '…'), text);
}

/** In other files: `TOKEN=…`, `TOKEN: …` in YAML, `--token-id …`, `//user:…@host`. */
export function maskLiterals(text: string): string {
  return text
    .replace(/(\b\w*(?:KEY|TOKEN|SECRET|PASSWORD)\w*(?:=|["']?:[ \t]+["']?))(?!\$)[^\s"'=]{4,}/g, '$1…')
    .replace(/(--(?:\w+-)*(?:key|token|secret|password)(?:-\w+)*[ =]["']?)(?!\$)[^\s"'-][^\s"']*/g, '$1…')
    .replace(/(:\/\/[^\s/:@]*:)[^\s/@]+@/g, '$1…@');
}

/** A password in a URL, or a run of letters and digits. */
function looksRandom(value: string): boolean {
  return /:\/\/[^/\s]*:[^/\s]+@/.test(value) || (/^[\w+/=.~-]{16,}$/.test(value) && /\d/.test(value));
}
