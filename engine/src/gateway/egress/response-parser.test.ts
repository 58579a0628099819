// The parser alone: the same answer however its bytes are cut, and no bytes that confuse it.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { ResponseParser, type ParseOutcome } from './response-parser.ts';

/** What a parser says of these pieces, as plain values. */
function parse(pieces: readonly Buffer[], method = 'GET', isEnded = false) {
  const seen = {
    heads: [] as string[],
    body: '',
    trailers: [] as string[],
    outcome: 'more' as ParseOutcome,
    rest: '',
  };
  const parser = new ResponseParser({
    onInformational: (head) => seen.heads.push(`${head.status}`),
    onHead: (head) => seen.heads.push(`${head.status} ${head.framing} ${head.headers.join('|')}`),
    onBody: (chunk) => (seen.body += chunk.toString('latin1')),
    onEnd: (trailers) => seen.trailers.push('end', ...trailers),
  });
  parser.begin(method, false);
  for (const piece of pieces) {
    if (seen.outcome !== 'more') seen.rest += piece.toString('latin1');
    else {
      seen.outcome = parser.push(piece);
      if (seen.outcome === 'done') seen.rest += parser.rest.toString('latin1');
    }
  }
  if (isEnded && parser.finish()) seen.outcome = 'done';
  return seen;
}

const answers = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A:  b \t\r\n\r\nhello',
  'HTTP/1.1 103 Early\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n' +
    '5;a=b\r\nhello\r\n1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\nX-T: 1\r\n\r\n',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304\r\nContent-Length: 9\r\n\r\n',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
];

test('an answer is the same however its bytes are cut, and what follows it stays outside', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...answers),
      fc.constantFrom('', 'HTTP/1.1 200 OK\r\n\r\n'),
      fc.array(fc.nat(200), { maxLength: 12 }),
      (answer, surplus, cuts) => {
        const bytes = Buffer.from(answer + surplus, 'latin1');
        const places = [
          0,
          ...cuts.map((cut) => cut % (bytes.length + 1)).sort((a, b) => a - b),
          bytes.length,
        ];
        const pieces = places
          .slice(1)
          .map((end, index) => bytes.subarray(places[index], end))
          .filter((piece) => piece.length > 0);
        const whole = parse([Buffer.from(answer, 'latin1')]);
        assert.equal(whole.outcome, 'done');
        assert.deepEqual(parse(pieces), { ...whole, rest: surplus });
      },
    ),
  );
});

test('no bytes whatever make it throw, and none that were cut short make it done', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 })),
      (pieces) => void parse(pieces.map((each) => Buffer.from(each))),
    ),
  );
  for (const answer of answers) {
    for (let end = 1; end < answer.length; end++)
      assert.equal(parse([Buffer.from(answer.slice(0, end), 'latin1')], 'GET', true).outcome, 'more');
  }
});

test('only an answer without length or coding ends by closing', () => {
  const seen = parse([Buffer.from('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\nabc')], 'GET', true);
  assert.deepEqual([seen.outcome, seen.body], ['done', 'abc']);
  assert.equal(parse([Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n')], 'HEAD').outcome, 'done');
});
