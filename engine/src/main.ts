// The program `crossfade`: the CLI, on a process whose PATH begins with this Node, so that a release's
// commands run on the Node that Crossfade runs on.
import { dirname } from 'node:path';
import { runCli } from './cli/cli.ts';

process.env['PATH'] = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
process.exitCode = await runCli(process.argv);
