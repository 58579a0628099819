// `crossfade dashboard`: a link to the live page that works once.
import type { ExitCode } from '../errors.ts';
import { localClient, localProject, type GlobalOptions } from './connection.ts';
import { print } from './render.ts';

export async function dashboard(options: GlobalOptions): Promise<ExitCode> {
  const found = localProject(options, 'dashboard');
  const code = await localClient(found).pageCode();
  print(`http://${found.config.listen.control}/#${code}`);
  return 0;
}
