// The dashboard in chromium: an alert is seen and taken, a flag killed, a rollout aborted, by keyboard; every
// panel is clean at every width and in both schemes; and what was looked at is what is meant.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { OpenDashboard } from './open-dashboard.ts';
import { checkPage, noBrowser, wallWidth, widths } from './page-check.ts';
import { Crowd, defaultConfig, Stage, until } from './stage.ts';

const config = `${defaultConfig.replaceAll('hold: 2s', 'hold: 10m')}
flags: { player: { client: true, ramp: 25 }, theme: light, SPEECHMATICS_DIRECT: true }
policy:
  - { name: errors, severity: SEV2, when: { signal: errors }, act: notify, acknowledge: 10m }
  - { name: many errors, severity: SEV2, when: { signal: errors, over: 99% }, act: notify, acknowledge: 10m }
`;

test('an alert is taken and a flag killed in the page, by keyboard', { skip: noBrowser }, async () => {
  await using stage = await Stage.make(config);
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.must('incident', 'open', 'Slow words in every room', '--severity', 'SEV3');
  await stage.change(0.5);
  await stage.client.verb('deploy', { way: 'canary', percent: 50 });
  await using crowd = new Crowd(stage);
  await stage.when(({ alerts }) => alerts?.[0]?.row === 'errors');
  await using seen = await OpenDashboard.open(stage);
  const { page, shows, troubles } = seen;
  await shows('#alerts', /SEV2 errors: .*requests failed/);
  await shows('#incidents', /i1 SEV3 investigating: Slow words/);
  await checkPage(page, 'now');

  const act = (label: string, confirm: string, reason: string) =>
    seen.act(label, confirm, () => page.keyboard.type(reason));
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

test(
  'every panel is clean at every width, shows what there is, and offers what one may',
  { skip: noBrowser },
  async () => {
    await using stage = await Stage.make(config);
    await stage.up();
    await stage.must('deploy', 'full');
    await stage.must(
      'incident',
      'open',
      'Slow words in every room',
      '--severity',
      'SEV3',
      '--text',
      'We look at it.',
    );
    await stage.cli('validate', '--suite', 'health,config');
    await stage.must('backup', 'create');
    await stage.must('backup', 'verify');
    await stage.change(0.5);
    await stage.must('deploy', 'full');
    await using seen = await OpenDashboard.open(stage);
    const { page, shows } = seen;
    const panels = {
      now: ['#sentence', /r2/],
      rollout: ['#rollout', /Rollout 2/],
      releases: ['#diff', /Changes|code/],
      flags: ['#flags', /player/],
      status: ['#all-incidents', /We look at it\./],
      messages: ['#panel', /Channels/],
      policy: ['#panel', /many errors/],
      validation: ['#validations', /health\.\w+/],
      backups: ['#backups', /proven by restoring/],
      audit: ['#audit', /deploy/],
      kpis: ['#kpis', /./],
      boards: ['#board', /Voice sessions/],
    } as const;
    const links = await page
      .locator('nav a')
      .evaluateAll((all) => all.map((each) => each.getAttribute('href')));
    assert.deepEqual(new Set(links), new Set(Object.keys(panels).map((id) => `#/${id}`)));
    for (const [id, [place, text]] of Object.entries(panels)) {
      await page.locator(`nav a[href="#/${id}"]`).click();
      await shows(place, text);
      const isOfWall = id === 'now' || id === 'rollout' || id === 'boards';
      await checkPage(page, `panel-${id}`, isOfWall ? [...widths, wallWidth] : widths);
    }
    await page.locator('nav a[href="#/releases"]').click();
    await page.getByLabel('Show r1').click();
    await shows('#release', /node server\.mjs/);
    await checkPage(page, 'panel-release');
    assert.deepEqual(seen.troubles, []);
  },
);

test(
  'a board is made of charts, kept, and drawn; a viewer looks and changes nothing',
  { skip: noBrowser },
  async () => {
    await using stage = await Stage.make(config);
    await stage.up();
    await using seen = await OpenDashboard.open(stage);
    const { page, shows } = seen;
    await page.locator('nav a[href="#/boards"]').click();
    await page.getByRole('button', { name: 'New board…' }).click();
    await page.getByLabel('Name').fill('My weights');
    await page.locator('#confirm').click();
    await shows('#panel', /My weights.*It has no chart yet/s);
    await page.getByRole('button', { name: 'Add a chart…' }).click();
    await page.getByLabel('Title').fill('On the candidate');
    await page.getByLabel('Metric').selectOption('rollout_weight_ratio');
    await page.locator('#confirm').click();
    await shows('#board', /rollout_weight_ratio: 0 now/);
    await page.locator('#board canvas').waitFor();
    await page.getByText('The numbers of On the candidate').click();
    await shows('#board table', /rollout_weight_ratio/);
    await checkPage(page, 'board');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await shows('#closed-text', /signed out/);
    await checkPage(page, 'closed');

    const { stdout } = await stage.must('token', 'create', 'wall', '--role', 'viewer', '--json');
    await page.getByLabel('Or sign in with a token').fill((JSON.parse(stdout) as { token: string }).token);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await shows('#board', /On the candidate/);
    for (const button of ['New board…', 'Add a chart…'])
      assert.equal(await page.getByRole('button', { name: button }).count(), 0);
    assert.equal(await page.locator('nav a[href="#/audit"]').count(), 0);
    await page.locator('nav a[href="#/now"]').click();
    await shows('#sentence', /./);
    assert.equal(await page.locator('[data-verb]').count(), 0);
    assert.deepEqual(seen.troubles, []);
  },
);

test(
  'a page that has lost its controller says so, and follows on where it stopped',
  { skip: noBrowser },
  async () => {
    await using stage = await Stage.make(config);
    await stage.up();
    await stage.must('deploy', 'full');
    await using seen = await OpenDashboard.open(stage);
    const { page, shows } = seen;
    await page.keyboard.press('2');
    await shows('#feed', /deploy requested/);
    const pid = await stage.partPid('controller');
    process.kill(pid, 'SIGSTOP');
    await shows('#stale', /does not answer; this is how it was \d+ s ago/);
    await checkPage(page, 'stale');
    process.kill(pid, 'SIGKILL');
    await until(async () => ((await page.locator('#stale').count()) === 0 ? true : undefined));
    await stage.must('incident', 'open', 'After the loss');
    await shows('#feed', /After the loss/);
    const requested = await page.locator('#feed li', { hasText: 'deploy requested' }).count();
    assert.equal(requested, 1, 'each event once');
  },
);
