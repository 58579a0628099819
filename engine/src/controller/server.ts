// The control API: verbs, views and the stream of events, over the controller's unix socket and its TCP
// address. Fetch style: a Request in, a Response out; who listens is serve.ts. Every answer is JSON, every
// error has a code, a message and a hint.
import { Hono, type Context } from 'hono';
import { z } from 'zod';
import { applyRequest, logRequest } from '../api/control.ts';
import { actorText, type AuditCheck } from '../api/audit.ts';
import { days } from '../api/kpi.ts';
import { probeReport } from '../api/probes.ts';
import { mayDo } from '../api/roles.ts';
import { revokeRequest, tokenRequest } from '../api/tokens.ts';
import { own, spokenBy, versionsText } from '../api/version.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import { rolloutOf } from '../rollout/incidents.ts';
import { Admission, type AdmissionWorld, type Bindings, type Variables } from './access/admission.ts';
import { addLogins } from './access/logins.ts';
import { body } from './access/request-body.ts';
import { redacted } from './access/redact.ts';
import type { Tokens } from './access/tokens.ts';
import { addDashboard, type DashboardWorld } from './dashboard-routes.ts';
import { addStream, type StreamWorld } from './event-stream.ts';
import { policyViewOf } from './alert-views.ts';
import { artifactPath, receiveArtifact } from './artifact-route.ts';
import { apply, type ApplyWorld } from './apply-route.ts';
import { flagViewsOf, flagWarnings } from './flag-verbs.ts';
import type { GatewayLink } from './gateway-link.ts';
import { incidentViewsOf } from './incident-verbs.ts';
import { addNotify, countsOf, type NotifyWorld } from './notify-routes.ts';
import { logFiles } from './log-view.ts';
import { postMortem } from './post-mortem.ts';
import { noteProbe, probeKeysOf } from './probe-routes.ts';
import { addMetrics, type MetricsWorld } from './metrics-route.ts';
import { addRecords, type RecordWorld } from './record-routes.ts';
import { readinessOf } from './readiness.ts';
import { withoutLogs } from './reader-view.ts';
import { diffOf, diffQuery, releaseDetailOf, releaseViews } from './release-views.ts';
import { addSlack } from './slack-actions.ts';
import { restorationMade } from './restoration.ts';
import { addSubscribers, type SubscriberWorld } from './subscriber-routes.ts';
import { kpiViewOf, usageViewOf, type UsageWorld } from './usage-views.ts';
import { asked, addVerbs } from './verb-routes.ts';
import { statusOf } from './views.ts';

export type ServerWorld = UsageWorld &
  AdmissionWorld &
  ApplyWorld &
  NotifyWorld &
  SubscriberWorld &
  MetricsWorld &
  StreamWorld &
  DashboardWorld &
  RecordWorld & {
    readonly tokens: Tokens;
    readonly gateway: GatewayLink;
    readonly warnings: () => readonly string[];
    readonly logFolder: string;
    readonly checkRecords: () => Promise<AuditCheck>;
    readonly shutDown: () => Promise<void>;
    readonly log: (event: string, fields: Record<string, unknown>) => void;
  };

type App = Hono<{ Bindings: Bindings; Variables: Variables }>;

export function controlApp(world: ServerWorld): App {
  const app: App = new Hono();
  const admission = new Admission(world);
  app.onError((error, context) => failure(world, error, context));
  app.notFound((context) => context.json(problem('not-found', 'there is no such path'), 404));
  app.use(admission.around);
  app.use(admission.admit);
  addDashboard(world, app);
  addLogins(world, app, admission);
  addViews(world, app);
  addVerbs(world, app);
  addMetrics(world, app);
  addNotify(world, app);
  addSubscribers(world, app);
  addSlack(world, app);
  addRecords(world, app);
  addStream(world, app);
  addTokens(world, app);
  addAudit(world, app);
  app.on(['GET', 'PUT'], artifactPath, (context) => receiveArtifact(world, context));
  app.post('/v1/apply', async (context) => {
    const request = applyRequest.parse(await body(context));
    // Understood: what comes now is the file's refusal, or the rollout's.
    context.set('note', asked(request));
    const { answer, applied } = apply(world, request);
    context.set('note', { ...asked(request), after: { isDryRun: answer.isDryRun, ...applied } });
    return context.json(answer);
  });
  app.post('/v1/probe', async (context) => {
    const report = probeReport.parse(await body(context));
    context.set('note', { target: `${report.release} ${report.isPass ? 'pass' : 'FAIL'}` });
    return context.json(noteProbe(world, report));
  });
  app.post('/v1/codes', (context) => context.json({ code: world.door.issueCode(context.get('rights')) }));
  app.post('/v1/shutdown', async (context) => {
    await world.shutDown();
    return context.json({ isDown: true });
  });
  return app;
}

/** T1 and the audit's own rule: what makes or ends a token is a line like any verb. */
function addTokens(world: ServerWorld, app: App): void {
  app.get('/v1/tokens', (context) => context.json({ tokens: world.tokens.list() }));
  app.post('/v1/tokens', async (context) => {
    const request = tokenRequest.parse(await body(context));
    const made = await world.tokens.create(request, actorText(context.get('rights').actor));
    const { id, name, role, expiresAt } = made.view;
    context.set('note', { target: `create ${id} ${name}`, after: { role, expiresAt } });
    return context.json(made);
  });
  app.post('/v1/tokens/revoke', async (context) => {
    const { id } = revokeRequest.parse(await body(context));
    context.set('note', { target: `revoke ${id}` });
    return context.json({ view: await world.tokens.revoke(id) });
  });
}

function addAudit(world: ServerWorld, app: App): void {
  const count = z.coerce.number().min(0).catch(0);
  app.get('/v1/audit', async (context) => {
    const { since, after } = context.req.query();
    return context.json(await world.audit.read(count.parse(since), count.parse(after)));
  });
  app.get('/v1/audit/verify', async (context) => context.json(await world.checkRecords()));
}

function addViews(world: ServerWorld, app: App): void {
  app.get('/v1/status', async (context) => {
    const { controller } = world;
    const gateway = await world.gateway.state().catch(() => undefined);
    const { verdict } = controller.watch;
    const at = controller.clock.now();
    const notify = countsOf(await world.notifier.outbox.log.counts());
    const { role, scope } = context.get('rights');
    const view = {
      notify,
      ...statusOf({
        pid: process.pid,
        state: controller.state,
        at,
        position: controller.position,
        gateway,
        verdict,
        restoration: restorationMade(world, controller.state),
        warnings: [...world.warnings(), ...flagWarnings(controller.state, at)],
      }),
    };
    return context.json(mayDo(role, scope, 'logs') ? view : withoutLogs(view));
  });
  app.get('/v1/logs', (context) => {
    const { release, instance, lines } = logRequest.parse(context.req.query());
    return context.json({ files: logFiles(world.host.files, world.logFolder, { release, instance, lines }) });
  });
  const windowOf = (context: Context): number => days.parse(context.req.query('days'));
  app.get('/v1/kpi', async (context) => context.json(await kpiViewOf(world, windowOf(context))));
  app.get('/v1/usage', async (context) => context.json(await usageViewOf(world, windowOf(context))));
  app.get('/v1/policy', (context) => context.json(policyViewOf(world.controller.state)));
  addIncidentViews(world, app);
  app.get('/v1/flags', (context) =>
    context.json({ flags: flagViewsOf(world.controller.state, world.controller.clock.now()) }),
  );
  app.get('/v1/probe-keys', (context) => context.json(probeKeysOf(world)));
  app.get('/v1/readiness', (context) => context.json(readinessOf(world)));
  app.get('/v1/releases', (context) => context.json({ releases: releaseViews(world) }));
  app.get('/v1/releases/:id', (context) => context.json(releaseDetailOf(world, context.req.param('id'))));
  app.get('/v1/diff', async (context) => {
    const { from, to, code } = diffQuery.parse(context.req.query());
    return context.json(await diffOf(world, from, to, code === 'true'));
  });
}

function addIncidentViews(world: ServerWorld, app: App): void {
  const { controller } = world;
  const views = async () => {
    const gateway = await world.gateway.state().catch(() => undefined);
    const ids = gateway?.overrides.map((each) => each.id);
    return incidentViewsOf(controller.state, controller.clock.now(), ids);
  };
  app.get('/v1/incidents', async (context) => context.json(await views()));
  app.get('/v1/public-status', (context) =>
    context.json(controller.board.report(controller.state, controller.clock.now())),
  );
  app.get('/v1/postmortem/:id', async (context) => {
    const id = context.req.param('id');
    const incident = (await views()).incidents.find((each) => each.id === id);
    if (!incident)
      throw new CrossfadeError('not-found', `there is no incident ${id}`, '`crossfade incident list`');
    const known = controller.state.incidents.find((each) => each.id === id)!;
    const rollout = rolloutOf(controller.state, known);
    const [events, usage] = await Promise.all([
      world.tail(0, 2_000),
      world.usage.rows(rollout?.startedAt ?? incident.openedAt),
    ]);
    return context.json({
      markdown: postMortem({ state: controller.state, incident, rollout, events, usage }),
    });
  });
}

function problem(code: string, message: string, hint?: string) {
  return { error: { code, message, ...(hint !== undefined && { hint }) } };
}

function failure(world: ServerWorld, error: Error, context: Context): Response {
  if (error instanceof CrossfadeError) {
    return context.json(problem(error.code, error.message, error.hint), error.status as 400);
  }
  if (error instanceof z.ZodError) {
    const found = error.issues
      .map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message}`)
      .join('; ');
    const versions = versionsText(['CLI', spokenBy(context.req.header())], ['controller', own]);
    return context.json(problem('usage', redacted(found).slice(0, 1_000) + versions), 400);
  }
  const id = world.host.randomHex(6);
  world.log('request-failed', { id, path: context.req.path, text: errorText(error), stack: error.stack });
  return context.json(
    problem('internal', `an unexpected error, ${id} in the log`, 'see .crossfade/logs/controller.log'),
    500,
  );
}
