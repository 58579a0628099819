// The migration as a person sees it, by hand-like steps in chromium: r2 on Speechmatics is deployed, its
// guards hold it, it is promoted, the vendor dies, everybody is back on Modal by itself, and the incident
// is told and written up. Callers talk through all of it and lose no word. Pictures go to the folder
// SCREENSHOTS names.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { OpenDashboard } from './open-dashboard.ts';
import { checkPage, noBrowser } from './page-check.ts';
import { until, type Stage } from './stage.ts';
import { scrape } from './scrape.ts';
import { VoiceStage } from './voice-stage.ts';
import { assertComplete, carried, ended, understood } from './voice-talk.ts';

/** Where they are kept after a run of the tests. */
const pictures = new URL('../../artefacts/migration', import.meta.url).pathname;

test('the whole migration is steered and understood in the dashboard', { skip: noBrowser }, async (t) => {
  process.env['SCREENSHOTS'] ??= pictures;
  mkdirSync(process.env['SCREENSHOTS'], { recursive: true });
  await using voice = await VoiceStage.open();
  const { stage } = voice;
  await stage.must('healing', 'off', 'the story decides who goes where');
  await using seen = await OpenDashboard.open(stage);
  const { page, shows } = seen;
  const early = await voice.talkers(4, 'early');
  await carried(early, 'modal', 'r1');
  await shows('#sentence', /r1/);
  await checkPage(page, 'story-1-before');

  await seen.panel('releases');
  await seen.act('Deploy… r2', 'Deploy');
  await seen.panel('rollout');
  await shows('#rollout', /Why it is held:.*no evidence/);
  await checkPage(page, 'story-2-held');

  await seen.act('Promote…', 'Promote', async () => page.getByLabel('all the way').check());
  await shows('#rollout', /r1 → r2 is baking/);
  await using _ = new Joining(voice.origin);
  const late = await voice.talkers(4, 'late');
  await carried(late, 'direct', 'r2');
  await understood([...early, ...late]);
  await shows('.tile.clear', /errors/);
  await shows('#sessions', /green r2.*direct.*4/s);
  await checkPage(page, 'story-3-promoted');

  await voice.speechmatics.kill();
  const killedAt = performance.now();
  await shows('#rollout', /Rollback stopwatch/);
  t.diagnostic(
    `from the vendor's death to the rollback on the page: ${Math.round(performance.now() - killedAt)} ms`,
  );
  await shows('#rollout', /guard by .*(vendor|requests failed)/);
  await stage.when(({ rollout }) => rollout?.phase === 'rolled-back', 60_000);
  await shows('#rollout', /is rolled back/);
  await checkPage(page, 'story-4-rolled-back');
  const { rollout } = await stage.status();
  t.diagnostic(`stopwatch: ${JSON.stringify(rollout!.rollback!.stopwatch)}`);
  assert.equal(rollout!.rollback!.trigger, 'guard');

  await seen.panel('status');
  await shows('#all-incidents', /i1 SEV2 (resolved|monitoring): A change is being taken back/);
  if ((await page.locator('#i1[open]').count()) === 0) await page.locator('#i1 summary').first().click();
  await shows('#i1', /Updates of i1/);
  await checkPage(page, 'story-5-incident');
  await page
    .getByRole('button', { name: /Draft a post-mortem/ })
    .first()
    .click();
  await shows('#postmortem-i1', /r2/);
  await checkPage(page, 'story-6-post-mortem');

  await carried([...early, ...late], 'modal', 'r1');
  assertComplete([...early, ...late], await ended([...early, ...late]));
  await assertMeasured(stage);
  await page.goto(`${voice.origin}/status`);
  await until(async () => (/i1|incident/i.test((await page.textContent('main')) ?? '') ? true : undefined));
  await checkPage(page, 'story-7-status-page');
  assert.deepEqual(seen.troubles, []);
});

/** What the sessions met stands in the metrics. */
async function assertMeasured(stage: Stage): Promise<void> {
  const { text } = await until(async () => {
    const seen = await scrape(stage);
    return /^voice_failovers_total\{/m.test(seen.text) ? seen : undefined;
  });
  assert.match(text, /^voice_failovers_total\{from="direct",to="modal",phase="midstream"\} [1-9]/m);
  assert.match(text, /^voice_provider_errors_total\{route="direct"\} [1-9]/m);
  assert.match(text, /^voice_final_seconds_count\{route="direct"\} [1-9]/m);
  assert.match(text, /^drain_seconds_count 1$/m);
}

/** People who open the app one after the other and ask for a token of the vendor. */
class Joining {
  readonly #stop = new AbortController();
  readonly #loop: Promise<void>;

  constructor(origin: string) {
    this.#loop = this.#join(origin);
  }

  async #join(origin: string): Promise<void> {
    for (let turn = 0; !this.#stop.signal.aborted; turn++) {
      const key = { 'x-crossfade-key': `joining-${turn}` };
      const asked = async (): Promise<void> => {
        const document = await fetch(`${origin}/`, { headers: { ...key, accept: 'text/html' } });
        await document.arrayBuffer();
        const cookie = document.headers.getSetCookie().map((each) => each.split(';')[0]!);
        const headers = { ...key, cookie: cookie.join('; '), 'content-type': 'application/json' };
        const path = '/api/speechmatics-token';
        await (await fetch(origin + path, { method: 'POST', headers, body: '{}' })).arrayBuffer();
      };
      // What fails here is for the guards to see.
      await asked().catch(() => undefined);
      await new Promise((resolve) => void setTimeout(resolve, 40));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#loop;
  }
}
