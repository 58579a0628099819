// MIGRATION_SUMMARY.md of the migrated project: what was done, what a person must do, and the way back.
import type { Recipe } from './recipe.ts';
import type { FileChange, HumanTask, LeftAlone } from './tree.ts';

export function summaryOf(
  recipe: Recipe,
  changes: readonly FileChange[],
  tasks: readonly HumanTask[],
  leftAlone: readonly LeftAlone[],
): string {
  const lines = changes.flatMap(({ path, to, before, reasons }) => {
    const what = before === undefined ? 'made' : to === path ? 'changed' : `renamed to ${to}`;
    return [`- \`${path}\`: ${what}`, ...reasons.slice(0, 20).map(({ text }) => `  - ${text}`)];
  });
  return [
    `# ${recipe.title}`,
    '',
    `${changes.length} files, by \`crossfade migrate apply ${recipe.name}\`. \`crossfade migrate undo\` takes all of it back`,
    'while none of these files is changed; `crossfade migrate cleanup` ends what is deprecated.',
    '',
    '## What a person must do',
    '',
    ...(tasks.length > 0
      ? tasks.map(({ path, line, text }) => `- [ ] \`${path}:${line}\` ${text}`)
      : ['Nothing in the code.']),
    ...leftAlone.map(({ path, why }) => `- [ ] \`${path}\` ${why}: it was left alone, look through it`),
    ...recipe.afterwards.map((each) => `- [ ] ${each}`),
    '',
    '## What was done',
    '',
    ...lines,
    '',
  ].join('\n');
}
