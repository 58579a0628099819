// An object store on loopback that speaks Amazon's S3 protocol strictly, as far as backups use it: path
// style, Signature Version 4 computed anew from the raw request, Content-MD5 compared, ListObjectsV2 in
// short pages. Written from the protocol's documentation, and no product: what it accepts, S3 accepts.
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

const pageSize = 3;

export type S3Server = AsyncDisposable & {
  readonly endpoint: string;
  readonly objects: Map<string, Buffer>;
};

export async function startS3Server(bucket: string, accessKey: string, secretKey: string): Promise<S3Server> {
  const objects = new Map<string, Buffer>();
  const server = createServer((request, response) => {
    const answer = (status: number, body: string | Buffer = ''): void =>
      void response.writeHead(status).end(body);
    const refuse = (status: number, code: string): void =>
      answer(status, `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
    void bodyOf(request).then((body) => {
      const trouble = signatureTrouble(request, body, accessKey, secretKey);
      if (trouble !== undefined) return refuse(403, trouble);
      const url = new URL(request.url!, 'http://store');
      const [, named, ...rest] = url.pathname.split('/');
      if (named !== bucket) return refuse(404, 'NoSuchBucket');
      const key = rest.map(decodeURIComponent).join('/');
      if (key === '') return answer(200, listing(objects, url.searchParams));
      const found = objects.get(key);
      if (request.method === 'GET') return found ? answer(200, found) : refuse(404, 'NoSuchKey');
      if (request.method === 'DELETE') return void (objects.delete(key), answer(204));
      if (request.method !== 'PUT') return refuse(405, 'MethodNotAllowed');
      if (request.headers['content-md5'] !== createHash('md5').update(body).digest('base64'))
        return refuse(400, 'BadDigest');
      objects.set(key, body);
      answer(200);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function signatureTrouble(
  request: IncomingMessage,
  body: Buffer,
  accessKey: string,
  secretKey: string,
): string | undefined {
  const given = /^AWS4-HMAC-SHA256 Credential=([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
    request.headers.authorization ?? '',
  );
  if (!given) return 'AccessDenied';
  const [, credential, signed, signature] = given as unknown as [string, string, string, string];
  const [key, day, region, service, ending] = credential.split('/');
  if (key !== accessKey) return 'InvalidAccessKeyId';
  if (service !== 's3' || ending !== 'aws4_request') return 'AuthorizationHeaderMalformed';
  const at = String(request.headers['x-amz-date']);
  const text = String(request.headers['x-amz-content-sha256']);
  if (!at.startsWith(day!) || !signed.split(';').includes('host')) return 'AccessDenied';
  if (text !== 'UNSIGNED-PAYLOAD' && text !== createHash('sha256').update(body).digest('hex'))
    return 'XAmzContentSHA256Mismatch';
  const url = new URL(request.url!, 'http://store');
  const query = [...url.searchParams]
    .map((pair) => pair.map(strict).join('='))
    .sort()
    .join('&');
  const path = url.pathname
    .split('/')
    .map((part) => strict(decodeURIComponent(part)))
    .join('/');
  const headers = signed.split(';').map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const canonical = [request.method, path, query, headers.join(''), signed, text].join('\n');
  const scope = `${day}/${region}/s3/aws4_request`;
  const hash = createHash('sha256').update(canonical).digest('hex');
  const signing = [day!, region!, 's3', 'aws4_request'].reduce<Buffer | string>(hmac, `AWS4${secretKey}`);
  const wanted = hmac(signing, `AWS4-HMAC-SHA256\n${at}\n${scope}\n${hash}`).toString('hex');
  return wanted === signature ? undefined : 'SignatureDoesNotMatch';
}

function hmac(key: Buffer | string, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

/** As RFC 3986 has it: encodeURIComponent leaves a few that S3 does not. */
function strict(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

function listing(objects: ReadonlyMap<string, Buffer>, query: URLSearchParams): string {
  const prefix = query.get('prefix') ?? '';
  const after = query.get('continuation-token') ?? '';
  const keys = [...objects.keys()].sort().filter((key) => key.startsWith(prefix) && key > after);
  const page = keys.slice(0, pageSize);
  const escape = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const contents = page.map((key) => `<Contents><Key>${escape(key)}</Key></Contents>`).join('');
  const next =
    page.length < keys.length ? `<NextContinuationToken>${escape(page.at(-1)!)}</NextContinuationToken>` : '';
  return `<?xml version="1.0"?><ListBucketResult>${contents}${next}</ListBucketResult>`;
}
