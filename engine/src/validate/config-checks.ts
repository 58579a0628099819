// The folder that is deployed from: what must not be in git, what must not be public, and whether its
// dependencies have known holes.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { fail, judge, pass, skipped, unknown, type Check, type Outcome } from './check.ts';

const auditMs = 60_000;
const publicSecret = /^(?:EXPO_PUBLIC|NEXT_PUBLIC|VITE|REACT_APP)_.*(?:KEY|SECRET|TOKEN|PASSWORD)/;
const secretFile =
  /(^|\/)(\.env(\.(?!example$|sample$|template$)[\w.-]+)?|[\w.-]+\.pem|id_rsa|[\w.-]+\.key)$/;

/** Runs only where there is a folder. */
function inFolder(run: (folder: string) => Promise<Outcome> | Outcome): Check['run'] {
  return ({ folder }) => (folder === undefined ? skipped('there is no crossfade.yaml here') : run(folder));
}

export const configChecks: readonly Check[] = [
  {
    ...{ id: 'config.no-secret-files', suite: 'config', severity: 'critical' },
    what: 'no file with secrets is in git',
    threshold: 'no .env, no key',
    todo: 'git rm --cached it, add it to .gitignore, and change the secrets',
    run: inFolder((folder) => {
      const tracked = trackedFiles(folder);
      if (tracked === undefined) return skipped('this is no git checkout');
      const found = tracked.filter((path) => secretFile.test(path));
      return judge(found.length === 0, found[0] ?? `${tracked.length} files looked at`);
    }),
  },
  {
    ...{ id: 'config.public-variables', suite: 'config', severity: 'critical' },
    what: 'no secret has a name that the build makes public',
    threshold: 'no EXPO_PUBLIC_…KEY and the like in an environment file',
    todo: 'rename it without the prefix and use it on the server only',
    run: inFolder((folder) => {
      const files = readdirSync(folder).filter((name) => /^\.env(\.[\w.-]+)?$/.test(name));
      for (const name of files) {
        const found = Object.keys(parseEnv(readFileSync(join(folder, name), 'utf8'))).find((each) =>
          publicSecret.test(each),
        );
        if (found) return fail(`${name}: ${found}`);
      }
      return pass(`${files.length} environment files`);
    }),
  },
  {
    ...{ id: 'config.lockfile', suite: 'config', severity: 'high' },
    what: 'the versions of dependencies are locked',
    threshold: 'a lock file in git',
    todo: 'commit the lock file',
    run: inFolder((folder) => {
      if (!existsSync(join(folder, 'package.json'))) return skipped('there is no package.json');
      const names = ['package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock'];
      const found = names.filter((name) => existsSync(join(folder, name)));
      const tracked = trackedFiles(folder);
      const kept = found.find((name) => tracked === undefined || tracked.includes(name));
      return judge(kept !== undefined, kept ?? (found[0] ? `${found[0]} is not in git` : 'none'));
    }),
  },
  {
    ...{ id: 'config.state-ignored', suite: 'config', severity: 'medium' },
    what: 'Crossfade’s own state stays out of git',
    threshold: '.crossfade/ is ignored',
    todo: 'add .crossfade/ to .gitignore',
    run: inFolder((folder) => {
      const tracked = trackedFiles(folder);
      if (tracked === undefined) return skipped('this is no git checkout');
      const found = tracked.find((path) => path.startsWith('.crossfade/'));
      return judge(found === undefined, found ?? 'nothing of it is in git');
    }),
  },
  {
    ...{ id: 'config.audit', suite: 'config', severity: 'high' },
    what: 'no dependency has a known hole',
    threshold: 'no high or critical advisory',
    todo: '`npm audit fix`, or replace the package',
    run: inFolder((folder) => {
      if (!existsSync(join(folder, 'package-lock.json'))) return skipped('there is no package-lock.json');
      return audited(folder);
    }),
  },
];

function trackedFiles(folder: string): string[] | undefined {
  try {
    const listed = execFileSync('git', ['ls-files', '-z'], { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
    return listed.split('\0').filter((path) => path !== '');
  } catch {
    // No checkout, or no git at all: the check says that it was skipped.
    return undefined;
  }
}

/** Not checked is not clean: without the advisories there is no verdict. */
function audited(folder: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const options = { cwd: folder, timeout: auditMs, maxBuffer: 64 * 1024 * 1024 };
    execFile('npm', ['audit', '--json', '--omit=dev'], options, (_error, stdout) => {
      type Report = { metadata?: { vulnerabilities?: Record<string, number> } };
      let report: Report | undefined;
      try {
        report = JSON.parse(stdout) as Report;
      } catch {
        // Said below: npm printed no report.
      }
      const counts = report?.metadata?.vulnerabilities;
      if (!counts) return resolve(unknown('not checked: the registry gave no advisories'));
      const { high = 0, critical = 0, moderate = 0 } = counts;
      const measured = `${critical} critical, ${high} high, ${moderate} moderate`;
      resolve(judge(high + critical === 0, measured));
    });
  });
}
