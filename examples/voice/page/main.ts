// The page: buttons, the state line, the notice, and where the words go. It holds one conversation at a time
// and says in words what every state means for the people who talk.
import type { SessionSummary } from '@crossfade/speech';
import { openMicrophone } from '@crossfade/speech/microphone';
import { Conversation, type OpenSource } from './conversation.ts';
import { openSample } from './sample-source.ts';
import { TranscriptView } from './transcript-view.ts';

const workletUrl = '/microphone-worklet.js';
const noticeMs = 12_000;
const stateTexts: Readonly<Record<string, string>> = {
  idle: 'Ready',
  connecting: 'Connecting, keep talking',
  live: 'Live',
  switching: 'Switching, keep talking',
  buffering: 'Recording safe, text delayed',
  ending: 'Finishing the last words',
  closed: 'Ended',
  failed: 'Could not start',
};

const state = element('state');
const stateText = element('state-text');
const notice = element('notice');
const whereabouts = element('whereabouts');
const buttons = {
  start: element<HTMLButtonElement>('start'),
  stop: element<HTMLButtonElement>('stop'),
  sample: element<HTMLButtonElement>('sample'),
};
const language = element<HTMLSelectElement>('language');
const rating = element('rating');
let conversation: Conversation | undefined;
/** The one that ended last. */
let rated: Conversation | undefined;
let noticeTimer: ReturnType<typeof setTimeout> | undefined;

buttons.start.addEventListener(
  'click',
  () => void begin((session) => openMicrophone(session, { workletUrl })),
);
buttons.sample.addEventListener(
  'click',
  () => void begin((session) => openSample(session, () => void end())),
);
buttons.stop.addEventListener('click', () => void end());
element('good').addEventListener('click', () => void rate(5));
element('bad').addEventListener('click', () => void rate(2));

async function begin(open: OpenSource): Promise<void> {
  const view = new TranscriptView({
    list: element('transcript'),
    partial: element('partial'),
    empty: element('empty'),
    pane: document.querySelector('main')!,
  });
  const started = new Conversation(language.value, {
    commit: (commit) => view.commit(commit),
    partial: (text, isStale) => view.partial(text, isStale),
    state: show,
    notice: notify,
    place: (route, release) => (whereabouts.textContent = `By ${route}, release ${release}`),
  });
  conversation = started;
  rating.hidden = true;
  showRunning(true);
  notify('');
  show('connecting');
  try {
    await started.start(open);
  } catch (error) {
    if (conversation !== started) return;
    conversation = undefined;
    showRunning(false);
    show('failed');
    notify(problemText(error), Infinity);
  }
}

async function end(): Promise<void> {
  const ending = conversation;
  if (!ending) return;
  conversation = undefined;
  buttons.stop.disabled = true;
  const summary = await ending.stop();
  buttons.stop.disabled = false;
  element('partial').textContent = '';
  showRunning(false);
  show('closed');
  whereabouts.textContent = summaryText(summary);
  rated = ending;
  rating.hidden = false;
}

async function rate(stars: 5 | 2): Promise<void> {
  rating.hidden = true;
  const isCounted = await rated?.rate(stars);
  if (isCounted) notify('Thank you.');
}

function show(name: string): void {
  state.dataset['state'] = name;
  stateText.textContent = stateTexts[name] ?? name;
}

function notify(text: string, forMs = noticeMs): void {
  clearTimeout(noticeTimer);
  notice.textContent = text;
  if (text !== '' && forMs !== Infinity) noticeTimer = setTimeout(() => (notice.textContent = ''), forMs);
}

function showRunning(isRunning: boolean): void {
  const hadFocus = document.activeElement;
  buttons.start.hidden = isRunning;
  buttons.stop.hidden = !isRunning;
  buttons.sample.disabled = isRunning;
  language.disabled = isRunning;
  if (isRunning && (hadFocus === buttons.start || hadFocus === buttons.sample)) buttons.stop.focus();
  if (!isRunning && hadFocus === buttons.stop) buttons.start.focus();
}

function summaryText({ words, ledger, epochs }: SessionSummary): string {
  const count = words.filter((word) => word.kind === 'word').length;
  const lostS = (ledger.lostSamples / 16_000).toFixed(1);
  const loss = ledger.lostSamples === 0 ? 'nothing lost' : `${lostS} s without text`;
  const moves = epochs.length - 1;
  return `${count} words, ${loss}${moves > 0 ? `, moved ${moves === 1 ? 'once' : `${moves} times`}` : ''}`;
}

function problemText(error: unknown): string {
  const name = error instanceof DOMException ? error.name : '';
  if (name === 'NotAllowedError') {
    return 'The browser may not use the microphone. Allow it in the address bar, or play the sample.';
  }
  if (name === 'NotFoundError') return 'No microphone was found. You can play the sample instead.';
  return `This did not work: ${error instanceof Error ? error.message : String(error)}`;
}

function element<Kind extends HTMLElement = HTMLElement>(id: string): Kind {
  return document.getElementById(id) as Kind;
}
