// The verbs of the control API, one line each: path, schema, and what is done. Around each: the orders of the
// configuration are taken first, and the audit hears what was asked, and what came of it.
import type { Hono } from 'hono';
import type { z } from 'zod';
import { ackRequest } from '../api/alerts.ts';
import { actorText } from '../api/audit.ts';
import {
  adoptRequest,
  deployRequest,
  healingRequest,
  plainRequest,
  promoteRequest,
  releaseRequest,
  rollbackRequest,
  routeRequest,
  timedRequest,
  unfreezeRequest,
  unlockRequest,
  type VerbAnswer,
} from '../api/control.ts';
import { flagRampRequest, flagRequest, flagSetRequest } from '../api/flags.ts';
import {
  incidentOpenRequest,
  incidentUpdateRequest,
  maintenanceEndRequest,
  maintenanceRequest,
} from '../api/incidents.ts';
import { drillReport, drillRequest, signoffRequest } from '../api/readiness.ts';
import { mayDo, type Action } from '../api/roles.ts';
import { notAllowed, type Bindings, type Variables } from './access/admission.ts';
import { body } from './access/request-body.ts';
import { adopt } from './adoption.ts';
import { killFlag, rampFlag, reviveFlag, setFlag, unsetFlag } from './flag-verbs.ts';
import { ack, approve, freeze, healing, lock, unfreeze, unlock } from './gate-verbs.ts';
import { endMaintenance, openIncident, scheduleMaintenance, updateIncident } from './incident-verbs.ts';
import { drill, giveSignoff, reportDrill } from './readiness.ts';
import {
  abort,
  createRelease,
  deploy,
  pause,
  promote,
  resume,
  retry,
  rollback,
  useRoute,
  type VerbWorld,
} from './verbs.ts';

type App = Hono<{ Bindings: Bindings; Variables: Variables }>;

export function addVerbs(world: VerbWorld, app: App): void {
  const verb = <T>(
    name: string,
    schema: z.ZodType<T>,
    run: (world: VerbWorld, request: T, actor: string) => Promise<VerbAnswer>,
    alsoNeeds: (request: T) => Action | undefined = () => undefined,
  ): void => {
    app.post(`/v1/${name}`, async (context) => {
      const request = schema.parse(await body(context));
      const rights = context.get('rights');
      const more = alsoNeeds(request);
      if (more && !mayDo(rights.role, rights.scope, more)) throw notAllowed(rights, more);
      await world.controller.takeOrders();
      const before = moment(world);
      context.set('note', { ...asked(request), before });
      const answer = await run(world, request, actorText(rights.actor));
      const { isDryRun, release } = answer;
      const after = { ...moment(world), isDryRun, ...(release !== undefined && { release }) };
      context.set('note', { ...asked(request), before, after });
      return context.json(answer);
    });
  };
  verb('deploy', deployRequest, deploy);
  verb('releases', releaseRequest, createRelease);
  verb('promote', promoteRequest, promote);
  verb('pause', plainRequest, pause);
  verb('resume', plainRequest, resume);
  verb('abort', plainRequest, abort);
  verb('retry', plainRequest, retry);
  verb('rollback', rollbackRequest, rollback);
  verb('route', routeRequest, useRoute);
  verb('adopt', adoptRequest, adopt);
  verb('ack', ackRequest, ack);
  verb('approve', plainRequest, approve);
  verb('freeze', timedRequest, freeze);
  verb('unfreeze', unfreezeRequest, unfreeze);
  verb('lock', timedRequest, lock);
  verb('unlock', unlockRequest, unlock, ({ breakLock }) => (breakLock ? 'break-lock' : undefined));
  verb('healing', healingRequest, healing);
  verb('drill', drillRequest, drill);
  verb('drill/report', drillReport, reportDrill);
  verb('signoff', signoffRequest, giveSignoff);
  verb('incident/open', incidentOpenRequest, openIncident);
  verb('incident/update', incidentUpdateRequest, updateIncident);
  verb('maintenance/schedule', maintenanceRequest, scheduleMaintenance);
  verb('maintenance/end', maintenanceEndRequest, endMaintenance);
  verb('flags/set', flagSetRequest, setFlag);
  verb('flags/ramp', flagRampRequest, rampFlag);
  verb('flags/kill', flagRequest, killFlag);
  verb('flags/revive', flagRequest, reviveFlag);
  verb('flags/unset', flagRequest, unsetFlag);
}

/** Of a request, in this order: what the audit says it was about. */
const targets = [
  ...[
    'way',
    'percent',
    'release',
    'ref',
    'to',
    'route',
    'line',
    'person',
    'alert',
    'flag',
    'value',
    'incident',
    'maintenance',
  ],
] as const;

/** What the audit says about a verb: where to, and why. */
export function asked(request: unknown): { target?: string; reason?: string } {
  const { full, reason, ...fields } = request as Record<string, unknown>;
  const parts = [...targets.map((name) => fields[name]), full === true ? 'full' : undefined];
  const target = parts.filter((each) => each !== undefined && typeof each !== 'object').join(' ');
  return { ...(target !== '' && { target }), ...(typeof reason === 'string' && reason !== '' && { reason }) };
}

function moment({ controller }: VerbWorld): { position: number; phase: string } {
  return { position: controller.position, phase: controller.state.rollout?.phase.kind ?? 'none' };
}
