// The script that a page loads as `/_crossfade/notices.js`: it fills the element with `data-crossfade-
// notices`, or one that it adds, with role=status, so that screen readers say it. It needs nothing of the
// page, and a page that has a notice of its own may set `data-crossfade-seconds` for how long each stays.

export const noticesScript = `(() => {
  const found = document.querySelector('[data-crossfade-notices]');
  const place = found ?? document.createElement('div');
  place.setAttribute('role', 'status');
  place.setAttribute('aria-live', 'polite');
  const begin = () => { if (!found) document.body.append(place); };
  if (document.body) begin(); else addEventListener('DOMContentLoaded', begin);
  const seconds = Number(place.dataset.crossfadeSeconds ?? 20);
  let timer;
  const events = new EventSource('/_crossfade/events');
  events.addEventListener('notice', (event) => {
    const { text } = JSON.parse(event.data);
    place.textContent = text;
    dispatchEvent(new CustomEvent('crossfade-notice', { detail: { id: event.lastEventId, text } }));
    clearTimeout(timer);
    timer = setTimeout(() => { place.textContent = ''; }, seconds * 1000);
  });
})();
`;
