// The public status page: static HTML without JavaScript, from what the controller pushed last. P1 it answers
// with the app and the controller dead, and then says how old its words are; what is older than 30 s is
// `unknown`, never shown as good. P2 everything pushed is escaped.
import { z } from 'zod';

const staleMs = 30_000;

export const publicStatus = z.object({
  service: z.string().max(200),
  sentence: z.string().max(1_000),
  components: z
    .array(z.object({ name: z.string().max(200), status: z.string().max(100), text: z.string().max(1_000) }))
    .max(100),
  /** Wall time, ms since 1970. */
  updatedAt: z.number(),
});
export type PublicStatus = z.infer<typeof publicStatus>;

/** `now`: wall time, ms. */
export function statusPage(status: PublicStatus | undefined, now: number): string {
  const ageSeconds = status ? Math.max(0, Math.round((now - status.updatedAt) / 1000)) : undefined;
  const isStale = !status || now - status.updatedAt > staleMs;
  const name = escape(status?.service ?? 'This service');
  const sentence = isStale ? 'Status unknown: the last report is missing or too old' : status.sentence;
  const age = ageSeconds === undefined ? 'No report has come yet.' : `Data is ${ageSeconds} s old.`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="30"><title>${name}: status</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color:#1b1f24}
h1{font-size:1.1rem}.sentence{font-size:1.5rem}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .8rem .4rem 0;border-top:1px solid #d6dbe1;vertical-align:top}
footer{color:#57606a;margin-top:2rem}</style></head>
<body><h1>${name}</h1><p class="sentence">${escape(sentence)}</p>
${table(status, isStale)}<footer>${age}</footer></body></html>
`;
}

function table(status: PublicStatus | undefined, isStale: boolean): string {
  if (!status || status.components.length === 0) return '';
  const rows = status.components.map((each) => {
    const [word, text] = isStale ? ['unknown', ''] : [each.status, each.text];
    const cells = [word, text].map((cell) => `<td>${escape(cell)}</td>`);
    return `<tr><th scope="row">${escape(each.name)}</th>${cells.join('')}</tr>`;
  });
  return `<table>${rows.join('\n')}</table>\n`;
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
