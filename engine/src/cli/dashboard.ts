// `crossfade dashboard`: a link to the live page that works once.
import type { ExitCode } from '../errors.ts';
import { controlClient, project, type GlobalOptions } from './connection.ts';
import { print } from './render.ts';

export async function dashboard(options: GlobalOptions): Promise<ExitCode> {
  const code = await controlClient(options).pageCode();
  print(`http://${project(options).config.listen.control}/#${code}`);
  return 0;
}
