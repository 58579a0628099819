// The users themselves: whoever is in a conversation, or has a page open that listens, hears of a rollback
// within two seconds, and nobody loses a word. The measured times are printed.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { chromium } from 'playwright-core';
import { until } from './stage.ts';
import { VoiceStage } from './voice-stage.ts';
import { assertComplete, carried, ended, understood } from './voice-talk.ts';

const executablePath = '/usr/bin/chromium';
const noBrowser = existsSync(executablePath) ? false : 'chromium is not installed';
const goingBack = 'We are going back to the earlier version of this service. You can go on talking.';

type Heard = { readonly id: string; readonly text: string; readonly atMs: number };

/** Reads server-sent events as they come. */
class Listener {
  readonly heard: Heard[] = [];
  readonly #request: ReturnType<typeof request>;

  constructor(origin: string, lastId?: string) {
    const headers = lastId === undefined ? {} : { 'last-event-id': lastId };
    this.#request = request(`${origin}/_crossfade/events`, { headers }, (response) => {
      let rest = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        const events = (rest + chunk).split('\n\n');
        rest = events.pop()!;
        for (const event of events) this.#take(event);
      });
      response.on('error', () => undefined);
    });
    this.#request.on('error', () => undefined).end();
  }

  #take(event: string): void {
    const found = /^id: (.*)\nevent: notice\ndata: (.*)$/.exec(event);
    if (!found) return;
    const { text } = JSON.parse(found[2]!) as { text: string };
    this.heard.push({ id: found[1]!, text, atMs: performance.now() });
  }

  close(): void {
    this.#request.destroy();
  }
}

test('callers and pages hear of a rollback within 2 s, once, and no word is lost', async (t) => {
  await using voice = await VoiceStage.open();
  const { stage } = voice;
  await stage.must('deploy', 'full', '--release', 'r2');
  const talks = await voice.talkers(3, 'caller');
  await carried(talks, 'direct', 'r2');
  await understood(talks);
  const said: Heard[] = [];
  for (const { caller, key } of talks)
    caller.session.on('notice', ({ text }) => void said.push({ id: key, text, atMs: performance.now() }));
  const page = new Listener(voice.origin);
  t.after(() => page.close());
  const sentMs = performance.now();
  const rollback = stage.client.verb('rollback', { reason: 'too slow', to: 'previous' });
  await until(() => (said.length >= 3 && page.heard.length >= 1 ? true : undefined), 5_000);
  await rollback;
  const slowestMs = Math.max(...said.slice(0, 3).map(({ atMs }) => atMs), page.heard[0]!.atMs) - sentMs;
  t.diagnostic(`from the command to the last of 3 callers and a page: ${Math.round(slowestMs)} ms`);
  assert.ok(slowestMs < 2_000, `${slowestMs} ms`);
  assert.deepEqual(new Set(said.slice(0, 3).map(({ id }) => id)).size, 3, 'each caller once');
  assert.equal(said[0]!.text, goingBack);
  assert.equal(page.heard[0]!.text, goingBack);
  await until(() => (page.heard.length >= 2 ? true : undefined));
  assert.match(page.heard[1]!.text, /is back/);
  const again = new Listener(voice.origin, page.heard[0]!.id);
  t.after(() => again.close());
  await until(() => (again.heard.length >= 1 ? true : undefined));
  assert.deepEqual(
    again.heard.map(({ id }) => id),
    [page.heard[1]!.id],
    'what it missed, and no more',
  );
  for (const { text } of page.heard)
    assert.doesNotMatch(text, /r\d|modal|speechmatics|blue|green|127\.0/i, 'no version, vendor or host');
  await carried(talks, 'modal', 'r1');
  assertComplete(talks, await ended(talks));
});

test('the page of the example says it within 2 s', { skip: noBrowser }, async (t) => {
  await using voice = await VoiceStage.open({ rate: 1 });
  await voice.stage.must('deploy', 'full', '--release', 'r2');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    const page = await browser.newPage();
    await page.goto(voice.origin);
    await page.locator('#sample').click();
    await page.waitForFunction(() => document.querySelectorAll('#transcript li').length > 0);
    // The first words of a notice, with the page's own wall time.
    await page.evaluate(() => {
      const seen: { text: string; at: number }[] = [];
      Object.assign(window, { seen });
      const place = document.getElementById('notice')!;
      new MutationObserver(() => seen.push({ text: place.textContent ?? '', at: Date.now() })).observe(
        place,
        {
          childList: true,
        },
      );
    });
    const sentAt = Date.now();
    await voice.stage.client.verb('rollback', { reason: 'too slow', to: 'previous' });
    const at = await page.waitForFunction((wanted) => {
      const { seen } = window as unknown as { seen: { text: string; at: number }[] };
      return seen.find(({ text }) => text === wanted)?.at;
    }, goingBack);
    const tookMs = (await at.jsonValue())! - sentAt;
    t.diagnostic(`from the command to the words in chromium: ${tookMs} ms`);
    assert.ok(tookMs < 2_000, `${tookMs} ms`);
    await page.locator('#state-text', { hasText: 'Ended' }).waitFor({ timeout: 60_000 });
    assert.match((await page.locator('#whereabouts').textContent())!, /nothing lost/);
  } finally {
    await browser.close();
  }
});
