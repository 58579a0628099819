// Single keys: a digit opens a panel, `?` says so. They can be turned off (WCAG 2.1.4), and never act while
// something is written or a dialog is open.
import { signal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Panel } from './panel.ts';

const key = 'crossfade-shortcuts';
export const shortcutsOn = signal(localStorage.getItem(key) !== 'off');

export function Shortcuts({ panels }: { panels: readonly Panel[] }) {
  const sheet = useRef<HTMLDialogElement>(null);
  // With the page, not after it: what is pressed at once is meant as well.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      const isWriting = (event.target as Element).closest('input, textarea, select, dialog') !== null;
      if (isWriting || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === '?') sheet.current?.showModal();
      const panel = /^[1-9]$/.test(event.key) ? panels[Number(event.key) - 1] : undefined;
      if (panel && shortcutsOn.value) location.hash = `#/${panel.id}`;
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, [panels]);
  const turn = (isOn: boolean): void => {
    shortcutsOn.value = isOn;
    localStorage.setItem(key, isOn ? 'on' : 'off');
  };
  return (
    <>
      <footer class="quiet small">
        <button type="button" class="plain" onClick={() => sheet.current?.showModal()}>
          Keyboard
        </button>
      </footer>
      <dialog id="keyboard" ref={sheet} aria-labelledby="keyboard-title">
        <form method="dialog">
          <h3 id="keyboard-title">Keyboard</h3>
          <ul class="plain">
            {panels.slice(0, 9).map(({ id, title }, index) => (
              <li key={id}>
                <kbd>{index + 1}</kbd> {title}
              </li>
            ))}
            <li>
              <kbd>?</kbd> this sheet
            </li>
          </ul>
          <label class="row">
            <input
              type="checkbox"
              checked={shortcutsOn.value}
              onChange={({ currentTarget }) => turn(currentTarget.checked)}
            />
            Digits open panels
          </label>
          <div class="verbs">
            <button type="submit" class="main">
              Close
            </button>
          </div>
        </form>
      </dialog>
    </>
  );
}
