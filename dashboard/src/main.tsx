// The page: who may see it, where one is in it, whether it is live, and the panel that the address names.
import { signal } from '@preact/signals';
import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { ActDialog, outcome } from './act.tsx';
import { mayI, me, staleForMs, start, status } from './live.ts';
import { panels, type Panel } from './panel.ts';
import { Shortcuts, shortcutsOn } from './shortcuts.tsx';
import { closedText, closeSession, openSession, session } from './talk.ts';
import { isUnfinished } from './words.ts';

const address = signal(location.hash);
addEventListener('hashchange', () => {
  // A link with a one-time code, opened in a tab that has the page already.
  if (!location.hash.startsWith('#/') && location.hash !== '') return location.reload();
  outcome.value = '';
  address.value = location.hash;
});

function shownPanels(): readonly Panel[] {
  return panels.filter(({ needs }) => needs === undefined || mayI(needs));
}

function Page() {
  if (session.value === undefined) return <Closed />;
  if (status.value === undefined || me.value === undefined)
    return (
      <main class="alone">
        <p class="quiet">{staleForMs.value === undefined ? 'Reading…' : 'The controller does not answer.'}</p>
      </main>
    );
  return <Open />;
}

function Open() {
  const shown = shownPanels();
  const id = address.value.replace(/^#\//, '').split('/')[0];
  const panel = shown.find((each) => each.id === id) ?? shown[0]!;
  const heading = useRef<HTMLHeadingElement>(null);
  const isFirst = useRef(true);
  const { service, rollout } = status.value!;
  useEffect(() => {
    if (!isFirst.current) heading.current?.focus();
    isFirst.current = false;
  }, [panel.id]);
  useEffect(() => {
    const doing = rollout && isUnfinished(rollout.phase) ? `${rollout.release} ${rollout.phase}` : service;
    document.title = `${panel.title} · ${doing} · Crossfade`;
  });
  return (
    <>
      <a class="skip" href="#panel" onClick={(event) => (event.preventDefault(), heading.current?.focus())}>
        To the panel
      </a>
      <header>
        <p class="name">Crossfade</p>
        <p class="quiet">{service}</p>
        <Link />
      </header>
      <Stale />
      <div class="frame">
        <nav aria-label="Panels">
          <ul>
            {shown.map(({ id: each, title }, index) => (
              <li key={each}>
                <a href={`#/${each}`} aria-current={each === panel.id ? 'page' : undefined}>
                  {title}
                  {shortcutsOn.value && index < 9 && <kbd aria-hidden="true">{index + 1}</kbd>}
                </a>
              </li>
            ))}
          </ul>
          <Who />
        </nav>
        <main id="panel">
          <h1 ref={heading} tabIndex={-1}>
            {panel.title}
          </h1>
          <p id="outcome" role="status" class="quiet">
            {outcome.value}
          </p>
          <panel.View key={panel.id} />
        </main>
      </div>
      <ActDialog />
      <Shortcuts panels={shown} />
    </>
  );
}

function Link() {
  const isStale = staleForMs.value !== undefined;
  return (
    <p class={isStale ? 'link stale' : 'link'} role="status">
      {isStale ? 'not live' : 'live'}
    </p>
  );
}

function Stale() {
  const ageMs = staleForMs.value;
  if (ageMs === undefined) return null;
  return (
    <p id="stale" class="banner" role="alert">
      The controller does not answer; this is how it was {/* Ticks are not read out one by one. */}
      <span aria-hidden="true">{Math.round(ageMs / 1000)} s ago</span>
      <span class="unseen">a while ago</span>. Traffic flows on through the gateway.
    </p>
  );
}

function Who() {
  const { name, role } = me.value!;
  return (
    <div class="who small">
      <p>
        {name}, {role}
      </p>
      <button type="button" class="plain" onClick={() => closeSession('You have signed out of this tab.')}>
        Sign out
      </button>
    </div>
  );
}

function Closed() {
  const signIn = (event: Event): void => {
    event.preventDefault();
    const token = new FormData(event.currentTarget as HTMLFormElement).get('token');
    if (typeof token === 'string' && token.trim() !== '') openSession(token.trim());
  };
  return (
    <main class="alone">
      <section class="sheet stack">
        <h1>Crossfade</h1>
        <p id="closed-text" role="status">
          {closedText.value}
        </p>
        <p>
          Run <code>crossfade dashboard</code> on the machine that runs the controller and open the link it
          prints. Each link works once, for ten minutes.
        </p>
        <form class="stack" onSubmit={signIn}>
          <label for="token">
            Or sign in with a token of <code>crossfade token create</code>
          </label>
          <input id="token" name="token" type="password" autocomplete="off" required maxLength={200} />
          <button type="submit" class="main">
            Sign in
          </button>
        </form>
      </section>
    </main>
  );
}

void start();
render(<Page />, document.getElementById('app')!);
