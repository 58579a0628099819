// A strict HTTP/1.1 response parser: bytes in, calls on a sink out. It knows no sockets and no clock. R1 what
// is ambiguous is bad: Content-Length with Transfer-Encoding, two lengths, another coding than one plain
// `chunked`, folded lines, bare line ends. R2 header case, order and duplicates are kept. R3 bytes after the
// end of an answer are never read as another answer: they stay in `rest`, and the connection's owner kills
// it. G5: a head is at most 64 KiB, a chunk line 1 KiB, trailers 16 KiB.
const headLimitBytes = 64 * 1024;
const chunkLineLimitBytes = 1024;
const trailerLimitBytes = 16 * 1024;

export type ResponseHead = {
  readonly status: number;
  readonly reason: string;
  /** Name, value, name, value … as they came, whitespace around values removed. */
  readonly headers: readonly string[];
  /** The backend will keep the connection after this answer. */
  readonly isKeptAlive: boolean;
  /** Seconds of the `Keep-Alive: timeout=` header, or undefined. */
  readonly keepAliveSeconds: number | undefined;
  readonly framing: 'none' | 'length' | 'chunked' | 'until-close';
  readonly lengthBytes: number;
};

export type ParserSink = {
  /** A 1xx answer other than 101. */
  onInformational(head: ResponseHead): void;
  onHead(head: ResponseHead): void;
  onBody(chunk: Buffer): void;
  onEnd(trailers: readonly string[]): void;
};

/** `more`: feed on; `done`: whole, or a 101 behind which `rest` is no HTTP; `bad`: not an answer. */
export type ParseOutcome = 'more' | 'done' | 'bad';

type State = 'head' | 'length' | 'until-close' | 'chunk-line' | 'chunk' | 'chunk-end' | 'trailers' | 'over';

const emptyBytes = Buffer.alloc(0);

export class ResponseParser {
  readonly #sink: ParserSink;
  #state: State = 'over';
  #pending: Buffer = emptyBytes;
  #remaining = 0;
  #method = 'GET';
  #mayUpgrade = false;
  /** Bytes behind the end of the answer, or behind the head of a 101. */
  rest: Buffer = emptyBytes;

  constructor(sink: ParserSink) {
    this.#sink = sink;
  }

  /** Expects the answer to a request with this method; only one may be outstanding. */
  begin(method: string, mayUpgrade: boolean): void {
    this.#state = 'head';
    this.#pending = emptyBytes;
    this.rest = emptyBytes;
    this.#method = method;
    this.#mayUpgrade = mayUpgrade;
  }

  push(chunk: Buffer): ParseOutcome {
    let data = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk]);
    this.#pending = emptyBytes;
    for (;;) {
      const used = this.#step(data);
      if (typeof used === 'string') {
        if (used === 'more') this.#pending = data;
        else this.rest = data;
        return used;
      }
      data = data.subarray(used);
      if (this.#state === 'over') {
        this.rest = data;
        return 'done';
      }
      if (data.length === 0) return 'more';
    }
  }

  /** The backend ended its side. True when that is a rightful end of the answer. */
  finish(): boolean {
    if (this.#state !== 'until-close') return false;
    this.#end([]);
    return true;
  }

  /** Consumes the next element: its size, or why it cannot. */
  #step(data: Buffer): number | 'more' | 'bad' {
    switch (this.#state) {
      case 'head':
        return this.#readHead(data);
      case 'length':
        return this.#readCounted(data);
      case 'until-close':
        this.#sink.onBody(data);
        return data.length;
      case 'chunk-line':
        return this.#readChunkLine(data);
      case 'chunk':
        return this.#readCounted(data);
      case 'chunk-end':
        return this.#readChunkEnd(data);
      case 'trailers':
        return this.#readTrailers(data);
      case 'over':
        return 'bad';
    }
  }

  #readHead(data: Buffer): number | 'more' | 'bad' {
    const end = data.indexOf('\r\n\r\n');
    if (end === -1) return data.length > headLimitBytes ? 'bad' : 'more';
    if (end > headLimitBytes) return 'bad';
    const head = parseHead(data.toString('latin1', 0, end), this.#method);
    if (!head) return 'bad';
    if (head.status === 101) return this.#acceptUpgrade(head, end + 4);
    if (head.status < 200) {
      this.#sink.onInformational(head);
      return end + 4;
    }
    this.#enterBody(head);
    return end + 4;
  }

  #acceptUpgrade(head: ResponseHead, size: number): number | 'bad' {
    if (!this.#mayUpgrade) return 'bad';
    this.#state = 'over';
    this.#sink.onHead(head);
    return size;
  }

  #enterBody(head: ResponseHead): void {
    this.#sink.onHead(head);
    this.#remaining = head.lengthBytes;
    if (head.framing === 'none' || (head.framing === 'length' && head.lengthBytes === 0)) this.#end([]);
    else this.#state = head.framing === 'chunked' ? 'chunk-line' : head.framing;
  }

  #readCounted(data: Buffer): number {
    const size = Math.min(this.#remaining, data.length);
    this.#remaining -= size;
    this.#sink.onBody(size === data.length ? data : data.subarray(0, size));
    if (this.#remaining === 0) {
      if (this.#state === 'length') this.#end([]);
      else this.#state = 'chunk-end';
    }
    return size;
  }

  #readChunkLine(data: Buffer): number | 'more' | 'bad' {
    const end = data.indexOf('\r\n');
    if (end === -1) return data.length > chunkLineLimitBytes ? 'bad' : 'more';
    // Extensions are dropped: nobody needs them, and they have been used to smuggle.
    const match = end > chunkLineLimitBytes ? null : chunkLine.exec(data.toString('latin1', 0, end));
    if (!match) return 'bad';
    this.#remaining = Number.parseInt(match[1]!, 16);
    this.#state = this.#remaining === 0 ? 'trailers' : 'chunk';
    return end + 2;
  }

  #readChunkEnd(data: Buffer): number | 'more' | 'bad' {
    if (data.length < 2) return data[0] === 13 ? 'more' : 'bad';
    if (data[0] !== 13 || data[1] !== 10) return 'bad';
    this.#state = 'chunk-line';
    return 2;
  }

  #readTrailers(data: Buffer): number | 'more' | 'bad' {
    if (data.length >= 2 && data[0] === 13 && data[1] === 10) {
      this.#end([]);
      return 2;
    }
    const end = data.indexOf('\r\n\r\n');
    if (end === -1) return data.length > trailerLimitBytes ? 'bad' : 'more';
    const trailers =
      end > trailerLimitBytes ? undefined : parseFields(data.toString('latin1', 0, end).split('\r\n'), 0);
    if (!trailers) return 'bad';
    this.#end(trailers);
    return end + 4;
  }

  #end(trailers: readonly string[]): void {
    this.#state = 'over';
    this.#sink.onEnd(trailers);
  }
}

const chunkLine = /^([0-9a-f]{1,8})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?$/i;
const statusLine = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: ([\t\x20-\x7e\x80-\xff]*))?$/;
const fieldName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/;

function parseHead(text: string, method: string): ResponseHead | undefined {
  const lines = text.split('\r\n');
  const status = statusLine.exec(lines[0]!);
  const headers = status ? parseFields(lines, 1) : undefined;
  if (!status || !headers) return undefined;
  const code = Number(status[2]);
  const framing = framingOf(headers, status[1] === '1', code, method);
  if (!framing) return undefined;
  return { status: code, reason: status[3] ?? '', headers, ...framing };
}

function parseFields(lines: readonly string[], from: number): string[] | undefined {
  const fields: string[] = [];
  for (let index = from; index < lines.length; index++) {
    const line = lines[index]!;
    const colon = line.indexOf(':');
    if (colon < 1) return undefined;
    const name = line.slice(0, colon);
    const value = withoutBlanks(line, colon + 1);
    if (!fieldName.test(name) || !fieldValue.test(value)) return undefined;
    fields.push(name, value);
  }
  return fields;
}

/** Only blanks and tabs; `trim` would also take what is part of a value in Latin-1. */
function withoutBlanks(line: string, from: number): string {
  let start = from;
  let end = line.length;
  while (start < end && isBlank(line.charCodeAt(start))) start++;
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--;
  return line.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9;
}

type Framing = Pick<ResponseHead, 'isKeptAlive' | 'keepAliveSeconds' | 'framing' | 'lengthBytes'>;

function framingOf(
  headers: readonly string[],
  isVersion11: boolean,
  status: number,
  method: string,
): Framing | undefined {
  let length: string | undefined;
  let coding: string | undefined;
  let connection = '';
  let keepAliveSeconds: number | undefined;
  for (let index = 0; index < headers.length; index += 2) {
    const name = headers[index]!;
    // Only these four lengths matter; comparing sizes first spares most of the lower-casing.
    if (name.length !== 14 && name.length !== 17 && name.length !== 10) continue;
    const value = headers[index + 1]!;
    const key = name.toLowerCase();
    if (key === 'content-length') {
      if (length !== undefined || !/^\d{1,15}$/.test(value)) return undefined;
      length = value;
    } else if (key === 'transfer-encoding') {
      if (coding !== undefined || value.toLowerCase() !== 'chunked' || !isVersion11) return undefined;
      coding = value;
    } else if (key === 'connection') connection += `,${value.toLowerCase()}`;
    else if (key === 'keep-alive') keepAliveSeconds = Number(/timeout=(\d{1,6})/.exec(value)?.[1] ?? NaN);
  }
  if (length !== undefined && coding !== undefined) return undefined;
  const hasNoBody = method === 'HEAD' || status < 200 || status === 204 || status === 304;
  const framing = hasNoBody ? 'none' : coding ? 'chunked' : length !== undefined ? 'length' : 'until-close';
  const closes = /(^|,)[ \t]*close[ \t]*(,|$)/.test(connection);
  const keeps = isVersion11 ? !closes : !closes && /(^|,)[ \t]*keep-alive[ \t]*(,|$)/.test(connection);
  return {
    framing,
    lengthBytes: framing === 'length' ? Number(length) : 0,
    isKeptAlive: keeps && framing !== 'until-close',
    keepAliveSeconds: Number.isNaN(keepAliveSeconds) ? undefined : keepAliveSeconds,
  };
}
