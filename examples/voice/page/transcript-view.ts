// The words on the page: one turn per speaker in a row, the speaker's letter and colour beside it, and below
// them the words that may still change. Words are text nodes, never markup. It keeps to the end unless the
// reader has scrolled up.
import type { Commit, Word } from '@crossfade/speech';

const colours = 6;
/** How far from the end, in pixels, still counts as reading along. */
const nearEndPx = 120;

export type TranscriptPlaces = {
  readonly list: HTMLElement;
  readonly partial: HTMLElement;
  readonly empty: HTMLElement;
  /** What scrolls. */
  readonly pane: HTMLElement;
};

/** The transcript of one conversation. */
export class TranscriptView {
  readonly #places: TranscriptPlaces;
  readonly #speakers: string[] = [];
  #turn: { readonly speaker: string; readonly text: HTMLElement } | undefined;

  constructor(places: TranscriptPlaces) {
    this.#places = places;
    places.list.replaceChildren();
    places.partial.textContent = '';
    places.empty.hidden = true;
  }

  commit(commit: Commit): void {
    this.#keepingPlace(() => {
      for (const word of commit.words) this.#append(word);
    });
  }

  /** What is heard but not final; `isStale` while nobody can confirm it. */
  partial(text: string, isStale: boolean): void {
    this.#keepingPlace(() => {
      this.#places.partial.textContent = text;
      this.#places.partial.dataset['stale'] = String(isStale);
    });
  }

  #append(word: Word): void {
    // A vendor that names nobody must not put words into the last speaker's mouth.
    const speaker = word.speaker ?? '';
    if (this.#turn === undefined || (this.#turn.speaker !== speaker && word.kind === 'word')) {
      this.#turn = { speaker, text: this.#beginTurn(speaker) };
    }
    const { text } = this.#turn;
    const isFirst = text.textContent === '';
    text.append(word.kind === 'mark' || isFirst ? word.text : ` ${word.text}`);
  }

  #beginTurn(speaker: string): HTMLElement {
    const turn = document.createElement('li');
    turn.className = 'turn';
    turn.dataset['speaker'] = String(this.#colourOf(speaker));
    const who = document.createElement('span');
    who.className = 'who';
    who.textContent = speaker || '…';
    who.setAttribute('aria-label', speaker ? `Speaker ${speaker.replace(/^S/, '')}` : 'Speaker not known');
    who.setAttribute('role', 'img');
    const text = document.createElement('p');
    turn.append(who, text);
    this.#places.list.append(turn);
    return text;
  }

  /** 1–6 in order of appearance, 0 where the vendor names nobody. */
  #colourOf(speaker: string): number {
    if (speaker === '' || speaker === 'UU') return 0;
    if (!this.#speakers.includes(speaker)) this.#speakers.push(speaker);
    return (this.#speakers.indexOf(speaker) % colours) + 1;
  }

  #keepingPlace(change: () => void): void {
    const { pane } = this.#places;
    const isAtEnd = pane.scrollHeight - pane.scrollTop - pane.clientHeight < nearEndPx;
    change();
    if (isAtEnd) pane.scrollTop = pane.scrollHeight;
  }
}
