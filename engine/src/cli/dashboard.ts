// `crossfade dashboard`: a link to the dashboard that works once, with the rights of whoever asks for it.
import type { ExitCode } from '../errors.ts';
import { controlClient, controlUrl, type GlobalOptions } from './connection.ts';
import { print } from './render.ts';

export async function dashboard(options: GlobalOptions): Promise<ExitCode> {
  const code = await controlClient(options).pageCode();
  print(`${controlUrl(options)}/#${code}`);
  return 0;
}
