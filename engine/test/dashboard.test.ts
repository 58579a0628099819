// The dashboard in chromium: an alert is seen and taken, a flag killed, a rollout aborted, by keyboard; every
// panel is clean at every width and in both schemes; and what was looked at is what is meant.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { buildDashboard } from '../../scripts/build-dashboard.ts';
import { checkPage, noBrowser, openBrowser } from './page-check.ts';
import { Crowd, defaultConfig, Stage, until } from './stage.ts';

const config = `${defaultConfig.replaceAll('hold: 2s', 'hold: 10m')}
flags: { player: { client: true, ramp: 25 }, theme: light, SPEECHMATICS_DIRECT: true }
policy:
  - { name: errors, severity: SEV2, when: { signal: errors }, act: notify, acknowledge: 10m }
  - { name: many errors, severity: SEV2, when: { signal: errors, over: 99% }, act: notify, acknowledge: 10m }
`;

test('an alert is taken and a flag killed in the page, by keyboard', { skip: noBrowser }, async () => {
  await buildDashboard();
  await using stage = await Stage.make(config);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.must('incident', 'open', 'Slow words in every room', '--severity', 'SEV3');
  await stage.change(0.5);
  await stage.client.verb('deploy', { way: 'canary', percent: 50 });
  await using crowd = new Crowd(stage);
  await stage.when(({ alerts }) => alerts?.[0]?.row === 'errors');
  const link = await stage.must('dashboard');
  const browser = await openBrowser();
  await using _ = { [Symbol.asyncDispose]: () => browser.close() };
  const page = await browser.newPage();
  const troubles: string[] = [];
  page.on('pageerror', (error) => void troubles.push(error.message));
  page.on(
    'console',
    (line) => void (line.type() === 'error' && !/ 409 /.test(line.text()) && troubles.push(line.text())),
  );
  await page.goto(/http:\/\/\S+/.exec(link.stdout + link.stderr)![0]);
  const shows = (selector: string, text: RegExp) =>
    until(async () => (text.test((await page.textContent(selector)) ?? '') ? true : undefined));
  await shows('#alerts', /SEV2 errors: .*requests failed/);
  await shows('#incidents', /i1 SEV3 investigating: Slow words/);
  await checkPage(page, 'now');

  const act = async (label: string, confirm: string, reason: string): Promise<void> => {
    await page.getByLabel(label, { exact: true }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.type(reason);
    const button = page.getByRole('button', { name: confirm, exact: true });
    await until(async () => ((await button.isEnabled()) ? true : undefined));
    await button.focus();
    await page.keyboard.press('Enter');
    await until(async () => ((await page.locator('#dialog').isVisible()) ? undefined : true));
  };
  await act('Acknowledge a1', 'Acknowledge', 'looking');
  await shows('#alerts', /has it\./);
  assert.match((await stage.client.policy()).alerts[0]!.acknowledged!.reason, /looking/);
  await crowd.end();
  await page.keyboard.press('4');
  await act('Kill player', 'Kill', 'phones crash');
  await shows('#flags', /off killed by owner|off killed by operator/);
  await checkPage(page, 'flags');
  await page.getByRole('link', { name: 'Rollout' }).click();
  await shows('#rollout', /Rollout 2/);
  await checkPage(page, 'rollout');
  await page.locator('[data-verb="abort"]').click();
  await checkPage(page, 'dialog');
  const confirm = page.locator('#confirm');
  await until(async () => ((await confirm.isEnabled()) ? true : undefined));
  await stage.must('abort', 'somebody was quicker');
  await stage.client.verb('deploy', { way: 'canary', percent: 10 });
  await confirm.click();
  await shows('#dialog-error', /meant for rollout 2; the present one is 3/);
  assert.notEqual((await stage.status()).rollout!.phase, 'rolled-back');
  assert.deepEqual(troubles, []);
});
