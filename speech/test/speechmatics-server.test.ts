// The local Speechmatics speaks the vendor's protocol: held against the vendor's own client where that covers
// it, and against raw frames for what a client library never sends.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import realtime from '@speechmatics/real-time-client';
import { encodeWords } from '../src/local/coded-word.ts';
import { startSpeechmaticsServer, type SpeechmaticsServer } from '../src/local/speechmatics-server.ts';
import { eventually, within } from './deadline.ts';

type Message = Record<string, unknown> & { message: string };

let server: SpeechmaticsServer;
before(async () => {
  server = await startSpeechmaticsServer({ apiKeys: ['long-lived'], rate: 20, languages: ['en', 'fr'] });
});
after(() => server[Symbol.asyncDispose]());

const START = {
  message: 'StartRecognition',
  audio_format: { type: 'raw', encoding: 'pcm_s16le', sample_rate: 16_000 },
  transcription_config: { language: 'en', max_delay: 1, enable_partials: true },
};

function open(credential = 'long-lived'): {
  socket: WebSocket;
  messages: Message[];
  closed: Promise<CloseEvent>;
  next: (name: string) => Promise<Message>;
} {
  const socket = new WebSocket(`${server.url}?jwt=${credential}`);
  const messages: Message[] = [];
  socket.onmessage = (event) => messages.push(JSON.parse(String(event.data)) as Message);
  const closed = new Promise<CloseEvent>((resolve) => {
    socket.onclose = resolve;
  });
  const next = async (name: string): Promise<Message> => {
    await eventually(() => messages.some((each) => each.message === name), 3000, name);
    return messages.find((each) => each.message === name) as Message;
  };
  return { socket, messages, closed, next };
}

async function started(credential?: string): Promise<ReturnType<typeof open>> {
  const client = open(credential);
  await within(new Promise((resolve) => (client.socket.onopen = resolve)), 3000, 'open');
  client.socket.send(JSON.stringify(START));
  await client.next('RecognitionStarted');
  return client;
}

function frames(samples: Int16Array): Uint8Array<ArrayBuffer>[] {
  const bytes = new Uint8Array(Int16Array.from(samples).buffer);
  return Array.from({ length: Math.ceil(bytes.length / 3200) }, (_, index) =>
    bytes.slice(index * 3200, (index + 1) * 3200),
  );
}

async function mint(body: unknown, key = 'long-lived'): Promise<Response> {
  return fetch(server.mintUrl, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify(body),
  });
}

test("the vendor's own client transcribes a session with a temporary key", async () => {
  const minted = await mint({ ttl: 60 });
  assert.equal(minted.status, 201);
  const { key_value: jwt } = (await minted.json()) as { key_value: string };
  const client = new realtime.RealtimeClient({ url: server.url, connectionTimeout: 2_000 });
  const messages: Message[] = [];
  client.addEventListener('receiveMessage', (event) => void messages.push(event.data as unknown as Message));
  await client.start(jwt, {
    audio_format: { type: 'raw', encoding: 'pcm_s16le', sample_rate: 16_000 },
    transcription_config: { language: 'en', max_delay: 1, enable_partials: true },
  });
  const script = encodeWords(['the', 'quick', 'brown', 'fox', "doesn't", 'stop'], {
    leadMs: 500,
    tailMs: 900,
  });
  const sent = frames(script.samples);
  for (const frame of sent) client.sendAudio(frame);
  await eventually(
    () => messages.findLast((each) => each.message === 'AudioAdded')?.['seq_no'] === sent.length,
    3000,
    'all acks',
  );
  await within(client.stopRecognition(), 3000, 'EndOfTranscript');
  const finals = messages.filter((each) => each.message === 'AddTranscript');
  const results = finals.flatMap((each) => each['results'] as { type: string; start_time: number }[]);
  const words = results.filter((each) => each.type === 'word');
  assert.deepEqual(
    words.map(
      (word) => (word as unknown as { alternatives: { content: string }[] }).alternatives[0]?.content,
    ),
    ['the', 'quick', 'brown', 'fox', "doesn't", 'stop'],
  );
  words.forEach((word, index) =>
    assert.ok(Math.abs(word.start_time - (script.words[index]?.startSample ?? 0) / 16_000) < 0.02),
  );
  assert.ok(messages.some((each) => each.message === 'AddPartialTranscript'));
  let end = 0;
  for (const final of finals) {
    const metadata = final['metadata'] as { start_time: number; end_time: number };
    assert.ok(metadata.start_time >= end - 0.001, 'finals do not overlap');
    end = metadata.end_time;
  }
  assert.equal(messages.at(-1)?.message, 'EndOfTranscript');
});

test('finals come within max_delay of audio time, while audio goes on', async () => {
  const client = await started();
  const script = encodeWords(['hello', 'there'], { tailMs: 1100 });
  for (const frame of frames(script.samples)) client.socket.send(frame);
  const final = await client.next('AddTranscript');
  assert.equal((final['metadata'] as { transcript: string }).transcript.trim().split(' ')[0], 'hello');
  client.socket.close();
});

test('silence is covered by empty finals', async () => {
  const client = await started();
  for (const frame of frames(new Int16Array(40_000))) client.socket.send(frame);
  const final = await client.next('AddTranscript');
  assert.deepEqual(final['results'], []);
  client.socket.close();
});

test('an EndOfStream with a wrong last_seq_no is a protocol_error', async () => {
  const client = await started();
  client.socket.send(new Uint8Array(3200));
  await client.next('AudioAdded');
  client.socket.send(JSON.stringify({ message: 'EndOfStream', last_seq_no: 0 }));
  assert.equal((await client.next('Error'))['type'], 'protocol_error');
  assert.equal((await within(client.closed, 2000, 'close')).code, 1003);
});

for (const [name, start, type, code] of [
  ['an unknown field', { ...START, frobnicate: 1 }, 'invalid_message', 1003],
  [
    'an unknown transcription field',
    { ...START, transcription_config: { language: 'en', max_dealy: 1 } },
    'invalid_config',
    1003,
  ],
  [
    'a max_delay out of range',
    { ...START, transcription_config: { language: 'en', max_delay: 9 } },
    'invalid_config',
    1003,
  ],
  ['an unknown language', { ...START, transcription_config: { language: 'xx' } }, 'invalid_language', 4004],
  ['a file format', { ...START, audio_format: { type: 'file' } }, 'invalid_audio_type', 1003],
] as const) {
  test(`StartRecognition with ${name} ends in ${type}`, async () => {
    const client = open();
    await within(new Promise((resolve) => (client.socket.onopen = resolve)), 3000, 'open');
    client.socket.send(JSON.stringify(start));
    assert.equal((await client.next('Error'))['type'], type);
    assert.equal((await within(client.closed, 2000, 'close')).code, code);
  });
}

test('audio before a start is a protocol_error', async () => {
  const client = open();
  await within(new Promise((resolve) => (client.socket.onopen = resolve)), 3000, 'open');
  client.socket.send(new Uint8Array(320));
  assert.equal((await client.next('Error'))['type'], 'protocol_error');
});

test('SetRecognitionConfig changes only what may change', async () => {
  const client = await started();
  client.socket.send(
    JSON.stringify({
      message: 'SetRecognitionConfig',
      transcription_config: { language: 'en', max_delay: 2 },
    }),
  );
  client.socket.send(JSON.stringify({ message: 'GetSpeakers' }));
  await client.next('SpeakersResult');
  client.socket.send(
    JSON.stringify({ message: 'SetRecognitionConfig', transcription_config: { diarization: 'none' } }),
  );
  assert.equal((await client.next('Error'))['type'], 'invalid_config');
});

test('ForceEndOfUtterance finalises what is pending, marked as forced', async () => {
  const client = await started();
  for (const frame of frames(encodeWords(['now'], { tailMs: 100 }).samples)) client.socket.send(frame);
  await client.next('AudioAdded');
  client.socket.send(JSON.stringify({ message: 'ForceEndOfUtterance' }));
  await client.next('EndOfUtterance');
  assert.equal((await client.next('AddTranscript'))['forced'], true);
  client.socket.close();
});

test('temporary keys are refused with the documented statuses', async () => {
  assert.equal((await mint({ ttl: 60 }, 'wrong')).status, 403);
  for (const ttl of [59, 86_401, 'sixty', undefined]) assert.equal((await mint({ ttl })).status, 422);
});

test('a handshake with no, a wrong or an expired key is refused', async () => {
  let nowMs = Date.now();
  await using other = await startSpeechmaticsServer({ apiKeys: ['k'], nowMs: () => nowMs });
  const minted = await fetch(other.mintUrl, {
    method: 'POST',
    headers: { authorization: 'Bearer k' },
    body: JSON.stringify({ ttl: 60 }),
  });
  const { key_value: jwt } = (await minted.json()) as { key_value: string };
  const code = async (credential: string): Promise<number> => {
    const socket = new WebSocket(`${other.url}?jwt=${credential}`);
    const ended = new Promise<number>((resolve) => {
      socket.onopen = () => resolve(101);
      socket.onclose = (event) => resolve(event.code);
    });
    return within(ended, 2000, 'an answer');
  };
  assert.equal(await code(jwt), 101);
  assert.equal(await code('nonsense'), 1006);
  nowMs += 61_000;
  assert.equal(await code(jwt), 1006);
});

test('a session over the quota is told so in-band and closed with 4005', async () => {
  await using other = await startSpeechmaticsServer({ apiKeys: ['k'], quota: 1 });
  const first = new WebSocket(`${other.url}?jwt=k`);
  await within(new Promise((resolve) => (first.onopen = resolve)), 2000, 'open');
  const second = new WebSocket(`${other.url}?jwt=k`);
  const closed = await within(
    new Promise<CloseEvent>((resolve) => (second.onclose = resolve)),
    2000,
    'close',
  );
  assert.equal(closed.code, 4005);
});

test('audio sent far faster than real time is flow-controlled, not dropped', async () => {
  const client = await started();
  const sent = frames(new Int16Array(16_000 * 30));
  for (const frame of sent) client.socket.send(frame);
  await client.next('AudioAdded');
  const acked = (): unknown => client.messages.findLast((each) => each.message === 'AudioAdded')?.['seq_no'];
  assert.notEqual(acked(), sent.length);
  await eventually(() => acked() === sent.length, 3000, 'all acks');
  client.socket.close();
});

test('faults are applied over HTTP, and unknown ones are refused', async () => {
  const client = await started();
  const post = (body: object): Promise<Response> =>
    fetch(`${server.origin}/faults`, { method: 'POST', body: JSON.stringify(body) });
  assert.equal((await post({ kind: 'meteor' })).status, 422);
  assert.equal((await post({ kind: 'close', code: 1011 })).status, 200);
  assert.equal((await within(client.closed, 2000, 'close')).code, 1011);
  assert.equal((await post({ kind: 'refuse', status: 503, count: 1 })).status, 200);
  const refused = new WebSocket(`${server.url}?jwt=long-lived`);
  await within(new Promise((resolve) => (refused.onclose = resolve)), 2000, 'refusal');
  (await started()).socket.close();
});
