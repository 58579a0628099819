// The GitHub Actions workflow of a user's project, made from deploy-with-rollback.yml beside this file. Thin
// on purpose: it checks out, asks for a token and calls the CLI. Actions are pinned by commit, and no
// expression stands inside a `run:`, where the text of an input would become a command.
import { readFileSync } from 'node:fs';
import { parse } from 'yaml';

export const workflowPath = '.github/workflows/deploy-with-rollback.yml';

export type PackageTool = 'npm' | 'pnpm' | 'yarn';

export type WorkflowAbout = { readonly manager: PackageTool; readonly hasStaging: boolean };

/** Commits of the tags that are named beside them. */
const pins = {
  ACTION_CHECKOUT: 'actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8 # v5.0.0',
  ACTION_SETUP_NODE: 'actions/setup-node@a0853c24544627f65ddf259abe73b1d18a591444 # v5.0.0',
  ACTION_UPLOAD_ARTIFACT: 'actions/upload-artifact@330a01c490aca151604b8cf639adc76d48f6c5d4 # v5.0.0',
};

const commands: Record<PackageTool, Readonly<Record<string, string>>> = {
  npm: { RUN_INSTALL: 'npm ci', RUN_TEST: 'npm test', RUN_AUDIT: 'npm audit --audit-level=high' },
  pnpm: {
    RUN_INSTALL: 'npx --yes pnpm@10 install --frozen-lockfile',
    RUN_TEST: 'npx --yes pnpm@10 test',
    RUN_AUDIT: 'npx --yes pnpm@10 audit --audit-level=high',
  },
  yarn: {
    RUN_INSTALL: 'yarn install --immutable',
    RUN_TEST: 'yarn test',
    RUN_AUDIT: 'yarn npm audit --all --recursive --severity high',
  },
};

export function workflowText({ manager, hasStaging }: WorkflowAbout): string {
  const template = readFileSync(new URL('./deploy-with-rollback.yml', import.meta.url), 'utf8');
  const words: Readonly<Record<string, string>> = {
    ...{ ...pins, ...commands[manager] },
    PACKAGE_MANAGER: manager,
  };
  const filled = template.replace(/\b[A-Z]+(?:_[A-Z]+)+\b/g, (name) => words[name] ?? name);
  if (hasStaging) return filled.replace(/^ *# <\/?staging>\n/gm, '');
  return filled
    .replace(/^ *# <staging>\n[^]*?^ *# <\/staging>\n/m, '')
    .replace('needs: [plan, staging]', 'needs: [plan, test, backup]')
    .replace('backup, staging, approve', 'backup, approve')
    .replace('`staging` and `production` in', '`production` in')
    .replace('# `staging`, `production` and', '# `production` and')
    .replace('variables STAGING_URL and\n# PRODUCTION_URL', 'variable\n# PRODUCTION_URL');
}

export type WorkflowTrouble = { readonly place: string; readonly text: string };

/** What our rules forbid in a workflow and linters of GitHub's grammar do not look at. */
export function workflowTroubles(text: string): WorkflowTrouble[] {
  const file = parse(text) as WorkflowShape;
  const troubles: WorkflowTrouble[] = [];
  const add = (place: string, found: string): void => void troubles.push({ place, text: found });
  if (file.permissions === undefined) add('permissions', 'is missing: the token may do everything');
  for (const [name, job] of Object.entries(file.jobs ?? {})) {
    if (job['timeout-minutes'] === undefined) add(name, 'has no timeout-minutes');
    for (const [index, step] of (job.steps ?? []).entries()) {
      const place = `${name}.steps[${index}]`;
      if (step.run?.includes('${{')) add(place, 'has an expression inside run: pass it by env');
      if (step.uses !== undefined && !/@[0-9a-f]{40}$/.test(step.uses))
        add(place, `${step.uses} is not pinned`);
    }
  }
  return troubles;
}

type WorkflowShape = {
  readonly permissions?: unknown;
  readonly jobs?: Readonly<
    Record<
      string,
      {
        readonly 'timeout-minutes'?: number;
        readonly steps?: readonly { readonly run?: string; readonly uses?: string }[];
      }
    >
  >;
};
