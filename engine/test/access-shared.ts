// Ways to ask the control address that no well-behaved client has: raw headers, other names, any body.
import { request } from 'node:http';
import type { AuditLine } from '../src/api/audit.ts';
import type { Stage } from './stage.ts';

export type Told = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  readonly error: { readonly code: string; readonly message: string; readonly hint?: string } | undefined;
};

export type Ask = {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
};

/** Asks with the right Host and content type unless other headers are given; never rejects an answer. */
export function askControl(stage: Stage, { method = 'GET', path, headers = {}, body }: Ask): Promise<Told> {
  const given = { host: `127.0.0.1:${stage.controlPort}`, 'content-type': 'application/json', ...headers };
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port: stage.controlPort,
      method,
      path,
      headers: given,
      agent: false,
    };
    const outgoing = request(options, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => void (text += part));
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          headers: response.headers,
          body: text,
          error: (parsed(text) as { error?: Told['error'] } | undefined)?.error,
        }),
      );
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

export function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` };
}

/** Every line of the audit, oldest first. */
export async function auditLines(stage: Stage): Promise<AuditLine[]> {
  const { stdout } = await stage.must('audit', 'export');
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as AuditLine);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not every answer is JSON: the page is not.
    return undefined;
  }
}
