// The controller's log: each line of what was decided has the rollout, and the request that led to it, also
// where it was done later because of that request.
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { askControl, bearer } from './access-shared.ts';
import { Stage, until } from './stage.ts';

type Line = {
  readonly msg: string;
  readonly request?: string;
  readonly rollout?: number;
  readonly text?: string;
};

test('a line of the log has the request and the rollout that it is about', async () => {
  await using stage = await Stage.make();
  await stage.up();
  await stage.must('deploy', 'full');
  await stage.change();
  const headers = { ...bearer(stage.read('.crossfade/token').trim()), 'x-request-id': 'from-ci-7' };
  const body = JSON.stringify({ way: 'full' });
  const answer = await askControl(stage, { method: 'POST', path: '/v1/deploy', headers, body });
  assert.equal(answer.headers['x-request-id'], 'from-ci-7');
  const lines = await until(() => {
    const found = linesOf(stage).filter(({ request }) => request === 'from-ci-7');
    return found.some(({ msg }) => msg === 'weights-verified') ? found : undefined;
  });
  const asked = lines.find(({ msg }) => msg === 'deploy-requested')!;
  assert.equal(asked.rollout, 2);
  assert.match(asked.text!, /r2/);
  const verified = lines.find(({ msg }) => msg === 'weights-verified')!;
  assert.equal(verified.rollout, 2);
  const before = linesOf(stage).find(({ msg, rollout }) => msg === 'deploy-requested' && rollout === 1)!;
  assert.notEqual(before.request, 'from-ci-7');
  const audited = (await stage.must('audit', 'export')).stdout.split('\n').filter((each) => each !== '');
  assert.ok(audited.some((each) => (JSON.parse(each) as Line).request === 'from-ci-7'));
});

function linesOf(stage: Stage): Line[] {
  const text = stage.read('.crossfade/logs/controller.log');
  return text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []));
}
