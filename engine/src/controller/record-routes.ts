// The paths of what the dashboard shows besides the rollout: validation runs, backups, measurements over
// time, and boards.
import type { Hono } from 'hono';
import { z } from 'zod';
import { actorText } from '../api/audit.ts';
import { boardRemoval, boardRequest, validationReport, type SeriesNames } from '../api/records.ts';
import { backupViews } from '../backup/backup-views.ts';
import type { Config } from '../config.ts';
import { CrossfadeError } from '../errors.ts';
import type { Host } from '../host.ts';
import type { Bindings, Variables } from './access/admission.ts';
import { body } from './access/request-body.ts';
import { Boards } from './boards.ts';
import type { Metrics } from './metrics.ts';
import { askPrometheus, prometheusQuery } from './prometheus-query.ts';
import { SeriesRecord } from './series.ts';
import type { StateStore } from './state-file.ts';
import { ValidationRuns } from './validation-runs.ts';

export type RecordWorld = {
  readonly host: Host;
  readonly folder: string;
  readonly applied: { readonly current: Config };
  readonly metrics: Metrics;
  readonly records: Records;
};

export type Records = {
  readonly validations: ValidationRuns;
  readonly boards: Boards;
  readonly series: SeriesRecord;
};

export function openRecords(store: StateStore, host: Host): Records {
  return {
    validations: new ValidationRuns(store),
    boards: new Boards(store, host),
    series: new SeriesRecord(),
  };
}

type App = Hono<{ Bindings: Bindings; Variables: Variables }>;

export function addRecords(world: RecordWorld, app: App): void {
  const { host } = world;
  const { validations, boards, series } = world.records;
  app.get('/v1/validations', async (context) => context.json({ runs: await validations.newest() }));
  app.post('/v1/validations', async (context) => {
    const report = validationReport.parse(await body(context));
    context.set('note', { target: report.target });
    const actor = actorText(context.get('rights').actor);
    const { id, verdict } = await validations.add(report, actor, host.clock.now());
    context.set('note', { target: report.target, after: { run: id, verdict } });
    return context.json({ id, verdict });
  });
  app.get('/v1/backups', async (context) =>
    context.json(await backupViews(world.applied.current.backup.target, world.folder)),
  );
  app.get('/v1/series', (context) => {
    const { name } = z.object({ name: z.string().max(200).optional() }).parse(context.req.query());
    if (name !== undefined) return context.json(series.of(name));
    const hasPrometheus = world.applied.current.metrics.prometheus !== undefined;
    const names: SeriesNames = { names: world.metrics.names(), hasPrometheus };
    return context.json(names);
  });
  app.get('/v1/prometheus', async (context) => {
    const query = prometheusQuery.parse(context.req.query());
    return context.json(await askPrometheus(host, world.applied.current.metrics.prometheus, query));
  });
  addBoards(boards, world.metrics, app);
}

function addBoards(boards: Boards, metrics: Metrics, app: App): void {
  app.get('/v1/boards', async (context) => context.json({ boards: await boards.all() }));
  app.post('/v1/boards/save', async (context) => {
    const request = boardRequest.parse(await body(context));
    context.set('note', { target: `save ${request.id ?? ''} ${request.name}` });
    const known = new Set(metrics.names().map(({ name }) => name));
    const strange = request.charts.find((each) => 'metric' in each && !known.has(each.metric));
    if (strange && 'metric' in strange)
      throw new CrossfadeError('usage', `there is no metric ${strange.metric}`, 'GET /v1/series names them');
    return context.json(await boards.save(request, actorText(context.get('rights').actor)));
  });
  app.post('/v1/boards/remove', async (context) => {
    const { id } = boardRemoval.parse(await body(context));
    context.set('note', { target: `remove ${id}` });
    await boards.remove(id);
    return context.json({ id });
  });
}
