// What the public status page says: one sentence and the components, without versions, hosts or vendors'
// names.
import { environmentWithRole, unfinished, type State } from '../rollout/rollout.ts';
import type { PublicStatus } from './gateway-link.ts';

/** The public view of a state at wall time `at` (ms). */
export function publicStatus(state: State, at: number): PublicStatus {
  const app = appStatus(state);
  const sentence = app === 'operational' ? 'All systems operational' : sentences[app];
  const components = [
    { name: 'Application', status: app, text: sentences[app] },
    { name: 'Deployment', status: 'operational', text: deploymentText(state) },
  ];
  return { service: state.service, sentence, components, updatedAt: at };
}

type AppStatus = 'operational' | 'degraded_performance' | 'major_outage' | 'unknown';

const sentences: Record<AppStatus, string> = {
  operational: 'Everything works',
  degraded_performance: 'Some requests may be slow or fail',
  major_outage: 'The service is down',
  unknown: 'The state is not known',
};

function appStatus(state: State): AppStatus {
  const name = environmentWithRole(state, 'stable');
  if (!name) return 'unknown';
  const { instances } = state.environments[name];
  const ready = instances.filter((each) => each.state === 'ready').length;
  if (ready === 0) return 'major_outage';
  return ready < instances.length ? 'degraded_performance' : 'operational';
}

function deploymentText(state: State): string {
  const rollout = unfinished(state);
  // Nobody's version changes in a drill.
  const phase = rollout?.kind === 'drill' ? undefined : rollout?.phase.kind;
  if (phase === 'rolling-back' || phase === 'stuck') return 'An earlier version is being restored';
  return phase && phase !== 'preparing' ? 'A new version is being introduced' : 'No change is under way';
}
