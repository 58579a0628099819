// `crossfade plan [full | canary PERCENT]`: what a deploy would do now, and whether it would be allowed.
import type { ExitCode } from '../errors.ts';
import { deploy, type DeployOptions } from './deploy.ts';

export function plan(way: string, percent: string | undefined, options: DeployOptions): Promise<ExitCode> {
  return deploy(way, percent, { ...options, dryRun: true });
}
