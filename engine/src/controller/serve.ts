// The controller's process: wires configuration, journal, drivers and the gateway's socket together,
// listens on the unix socket and the control address, and prints one JSON line when it decides. SIGTERM
// ends it and leaves what it started running; POST /v1/shutdown ends that too.
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { planCredential } from '../api/plan-credential.ts';
import { guardLimits, type Config } from '../config.ts';
import type { ReleaseSpec } from '../environment/environment-driver.ts';
import { ExternalDriver } from '../environment/external-driver.ts';
import { ProcessDriver } from '../environment/process-driver.ts';
import { CrossfadeError, errorText } from '../errors.ts';
import type { Host } from '../host.ts';
import { nodeHost } from '../host-node.ts';
import { environmentNames, releaseOf } from '../rollout/rollout.ts';
import { adoptedOverrides } from './access/adopted-overrides.ts';
import { Audit } from './access/audit.ts';
import { Door } from './access/door.ts';
import { Tokens } from './access/tokens.ts';
import { Workloads } from './access/workloads.ts';
import { AppliedConfig } from './applied-config.ts';
import { Controller } from './controller.ts';
import { doubtProbe } from './doubt-probe.ts';
import { planOf } from './effects.ts';
import { GatewayLink } from './gateway-link.ts';
import { Housekeeping } from './housekeeping.ts';
import { archiveBrokenAt } from './journal-archive.ts';
import { SqliteJournal } from './journal-sqlite.ts';
import { openWays } from './listeners.ts';
import { eventFields, logScope } from './log-scope.ts';
import { Metrics } from './metrics.ts';
import { OutsideRecord } from './outside.ts';
import { digestText, makeNotifier } from './notifications.ts';
import type { Notifier } from '../notify/notifier.ts';
import { openRecords, type Records } from './record-routes.ts';
import { relaySecrets, specOf } from './release-spec.ts';
import { SealedFiles, type SealKeySource } from './sealed-files.ts';
import { controlApp, type ServerWorld } from './server.ts';
import { holdFolder, openStateFile } from './state-file.ts';
import { startRounds } from './rounds.ts';
import { standingOrders } from './standing-orders.ts';
import { freeSocket, gatewayKeyOf } from './state-folder.ts';
import { Subscribers } from './subscribers.ts';
import { openTracing, type Tracing } from './tracing.ts';
import { UsageRecord } from './usage-record.ts';
import { eventLineOf } from './views.ts';

/** The number of the newest rollout, once there is a state. */
let presentRollout: () => number | undefined = () => undefined;
const mixin = (): object => logScope(presentRollout());
const log = pino({ base: { part: 'controller' }, mixin }, pino.destination(2));

const warn = (event: string, fields: Record<string, unknown>): void => log.warn(fields, event);

/** Runs the controller of a folder until SIGTERM; rejects with a catalogue error when it cannot start. */
export async function serveController(folder: string): Promise<void> {
  const parts = await assemble(folder);
  const { controller, applied, journal, audit, hold } = parts;
  const housekeeping = housekeepingOf(parts);
  const world = serverWorld(folder, parts, housekeeping);
  const app = controlApp(world);
  const { servers, endWatch } = await openWays({ ...parts, folder, warn }, app.fetch);
  await adoptedOverrides(controller, journal, audit);
  await controller.start();
  const { usage } = parts;
  void parts.notifier.run();
  const rounds = startRounds({ ...parts, folder, housekeeping, log: warn }, world);
  say({ event: 'controller-listening', control: applied.current.listen.control, pid: process.pid });
  process.once('SIGTERM', () => {
    for (const each of rounds) each.end();
    endWatch();
    for (const server of servers) server.close().closeAllConnections();
    parts.notifier.stop();
    void controller
      .stop()
      .then(() => usage.flush())
      .then(() => parts.tracing.end())
      .then(() => audit.close())
      .then(() => journal.close())
      .then(() => hold[Symbol.dispose]())
      .then(() => process.exit(0));
  });
}

type Parts = {
  readonly host: Host;
  readonly applied: AppliedConfig;
  readonly stateFolder: string;
  readonly journal: SqliteJournal;
  readonly tokens: Tokens;
  readonly workloads: Workloads;
  readonly audit: Audit;
  readonly usage: UsageRecord;
  readonly outside: OutsideRecord;
  readonly metrics: Metrics;
  readonly notifier: Notifier;
  readonly subscribers: Subscribers;
  readonly records: Records;
  readonly tracing: Tracing;
  readonly gateway: GatewayLink;
  readonly drivers: { readonly process: ProcessDriver; readonly external: ExternalDriver };
  readonly sealed: SealedFiles;
  readonly controller: Controller;
  /** Ours until this process ends, whatever ends it. */
  readonly hold: Disposable;
};

async function assemble(folder: string): Promise<Parts> {
  const host = nodeHost();
  const applied = new AppliedConfig(host.files, folder);
  const config = applied.current;
  const stateFolder = join(folder, '.crossfade');
  mkdirSync(stateFolder, { recursive: true, mode: 0o700 });
  await freeSocket(join(stateFolder, 'control.sock'));
  const hold = holdFolder(stateFolder);
  const store = openStateFile(join(stateFolder, 'crossfade.db'));
  const journal = await SqliteJournal.on(store);
  const tokens = await Tokens.open(store, host, config.service, warn);
  const workloads = new Workloads(host, store, applied);
  const audit = await Audit.open(store, host, warn);
  const usage = new UsageRecord(store, warn);
  const gateway = new GatewayLink(host, join(stateFolder, 'gateway.sock'));
  const gatewayKey = await gatewayKeyOf(join(stateFolder, 'gateway.key'));
  const drivers = {
    process: new ProcessDriver({ host, stateFolder }),
    external: new ExternalDriver({ host, stateFolder }),
  };
  // What cannot be read now must not hold up a rollback: the key is where it was at the start.
  const keySource = (): SealKeySource => (readable(() => applied.read()) ?? applied.current).app.env.sealKey;
  const sealed = new SealedFiles(host, stateFolder, keySource);
  const planUrl = `http://plan:${planCredential(gatewayKey)}@${config.listen.gateway}/_crossfade/plan`;
  const specFor = (id: string): ReleaseSpec =>
    specOf(releaseOf(controller.state, id)!, sealed.open(releaseOf(controller.state, id)!), {
      CROSSFADE_PLAN: planUrl,
    });
  const outside = new OutsideRecord(() => applied.current, usage, host.clock);
  const current = (): Config => applied.current;
  const subscribers = await Subscribers.open({ host, store, key: gatewayKey, config: current });
  const notifier = makeNotifier({
    ...{ host, folder, store, gateway, config: current, log: warn, subscribers },
    state: () => controller.state,
  });
  const controller: Controller = await Controller.open({
    service: config.service,
    host,
    folder,
    journal,
    gateway,
    gatewayUrl: `http://${config.listen.gateway}`,
    gatewayKey,
    driverOf: (id) => drivers[releaseOf(controller.state, id)!.app.driver],
    specOf: specFor,
    secrets: () => relaySecrets(controller.state, (release) => sealed.open(release)),
    guardConfig: () => guardLimits(applied.current),
    askProbe: doubtProbe({ host, folder, config: current, log: warn }),
    outside: () => outside.present,
    ordersAt: (state, at) => standingOrders(applied.current, state, at),
    queueNotice: (notice) => notifier.queue(notice),
    digest: {
      everyMs: () => applied.current.notify.digest,
      text: () => digestText(controller.state, usage, controller.clock.now()),
    },
    giveUp: () => process.exit(1),
    log: (event, fields) => log.info(fields, event),
    observe: (frame) => {
      usage.observe(frame, controller.clock.now());
      metrics.observe(frame);
    },
  });
  const tracing = await openTracing({ config, rollout: controller.state.rollout, warn });
  const metrics = followed(controller, tracing);
  return {
    ...{ outside, usage, metrics, host, applied, stateFolder, journal, tokens },
    ...{ workloads, audit, gateway, drivers, sealed, controller, notifier, subscribers, hold },
    ...{ tracing, records: openRecords(store, host) },
  };
}

/** What happens is counted, traced and logged. */
function followed(controller: Controller, tracing: Tracing): Metrics {
  const metrics = new Metrics(controller.state);
  presentRollout = () => controller.state.rollout?.number;
  controller.subscribe((published) => {
    metrics.note(controller.state);
    tracing.note(published);
    const line = eventFields(published);
    if (line) log.info(line.fields, line.event);
  });
  return metrics;
}

function serverWorld(folder: string, parts: Parts, housekeeping: Housekeeping): ServerWorld {
  const {
    host,
    applied,
    stateFolder,
    journal,
    tokens,
    workloads,
    audit,
    gateway,
    sealed,
    controller,
    usage,
  } = parts;
  const address = applied.current.listen.control;
  const names = (): readonly string[] => applied.current.listen.names;
  const tokenPath = join(stateFolder, 'token');
  const sessionsPath = join(stateFolder, 'page-sessions.json');
  const door = new Door({ host, tokenPath, sessionsPath, address, names, tokens, workloads });
  door.token();
  return {
    host,
    controller,
    folder,
    sealed,
    applied,
    config: () => applied.read(),
    door,
    tokens,
    audit,
    usage,
    metrics: parts.metrics,
    records: parts.records,
    subscribers: parts.subscribers,
    notifier: parts.notifier,
    checkRecords: async () => {
      const first = await journal.first();
      const archived = first && archiveBrokenAt(host.files, join(stateFolder, 'archive'), first);
      const check = await journal.check();
      const brokenAt = archived ?? check.brokenAt;
      return {
        audit: await audit.check(),
        journal: { ...check, ...(brokenAt !== undefined && { brokenAt }) },
      };
    },
    logFolder: join(stateFolder, 'logs'),
    gateway,
    dashboard: fileURLToPath(new URL('../../assets/dashboard', import.meta.url)),
    warnings: () => [...housekeeping.warnings, ...parts.tracing.warnings],
    tail: async (after, limit) =>
      (await journal.tail(after, limit)).map(({ event, position }) => eventLineOf(event, position)),
    shutDown: async () => {
      await stopEverything(parts);
      setImmediate(() => process.kill(process.pid, 'SIGTERM'));
    },
    log: (event, fields) => log.error(fields, event),
  };
}

/** Ends deciding first, then every instance; what is still connected is cut, because the service ends. */
async function stopEverything({ controller, drivers }: Parts): Promise<void> {
  await controller.stop();
  for (const name of environmentNames) {
    const { release, instances } = controller.state.environments[name];
    const found = release === undefined ? undefined : releaseOf(controller.state, release);
    if (!found || instances.length === 0) continue;
    const plans = instances.map((each) => planOf(name, each));
    await drivers[found.app.driver].stop(plans, Math.min(found.app.graceMs, 5_000));
  }
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    // Whoever needs the file itself is told what is wrong with it.
    return undefined;
  }
}

function say(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function housekeepingOf(parts: Parts): Housekeeping {
  const { host, stateFolder, sealed, controller, journal, usage, drivers } = parts;
  return new Housekeeping({
    ...{ host, stateFolder, sealed, controller, journal, usage },
    config: () => parts.applied.current,
    tidyFolders: (keep) => drivers.process.tidy(keep),
    log: (event, fields) => log.warn(fields, event),
  });
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { folder: { type: 'string', default: '.' } } });
  serveController(values.folder).catch((error: unknown) => {
    const known =
      error instanceof CrossfadeError
        ? error
        : new CrossfadeError('internal', errorText(error), undefined, error);
    const { code, message, hint } = known;
    say({ event: 'controller-failed', code, message, hint, stack: known.stack });
    process.exit(known.exitCode);
  });
}
