// Saving and opening copies, in the Library: two quiet buttons, and a card with how far it is and a way to stop.
import type { Database, Progress } from 'piramid';
import { openCopy, saveCopy, type Transfer } from './copies.ts';
import { el, replace } from './dom.ts';
import { count } from './format.ts';
import { isAbort, sentence } from './problems.ts';
import { progressBar } from './progress-bar.ts';

/** How often the card changes, at most, milliseconds. */
const SHOW_MS = 100;

export class CopiesPanel {
  readonly card = el('section', { class: 'card adding', 'aria-label': 'Copy', hidden: true });
  readonly buttons: HTMLElement;
  private readonly db: Database;
  private readonly file = el('input', { type: 'file', hidden: true, accept: '.piramid' });
  private readonly isAdding: () => boolean;
  private readonly settle: () => Promise<void>;
  private isBusy = false;
  /** All there is is about to be replaced. */
  isOpening = false;

  /** `isAdding`: whether documents are on their way in, which a copy would replace. `settle`: deletes what is on its way out. */
  constructor(db: Database, isAdding: () => boolean, settle: () => Promise<void>) {
    this.db = db;
    this.isAdding = isAdding;
    this.settle = settle;
    this.file.addEventListener('change', () => {
      const [copy] = this.file.files ?? [];
      this.file.value = '';
      if (copy) this.confirm(copy);
    });
    const button = (label: string, click: () => void) =>
      el('button', { type: 'button', class: 'button', on: { click } }, label);
    this.buttons = el(
      'span',
      { class: 'copies' },
      button('Save a copy', () => void this.save()),
      button('Open a copy', () => this.file.click()),
      this.file,
    );
  }

  private async save(): Promise<void> {
    const done = (): string =>
      'A copy of all documents has been saved. It opens here, or in this page on another machine.';
    await this.run('Saving a copy', (transfer) => saveCopy(this.db, transfer), done);
  }

  /** What is here is replaced: only after a second click. */
  private confirm(copy: File): void {
    if (this.isBusy) return;
    if (this.isAdding()) {
      this.end('Documents are still coming in, and a copy would replace them. Wait until they are in, or cancel them.');
      return;
    }
    const open = () => {
      this.isOpening = true;
      const opening = async (transfer: Transfer) => {
        await openCopy(this.db, copy, transfer);
        location.reload();
      };
      void this.run('Opening a copy', opening, () => 'The copy is in.').finally(() => {
        this.isOpening = false;
      });
    };
    const keep = this.closeButton('Keep what is here');
    const action = el('button', { type: 'button', class: 'button main', on: { click: open } }, 'Replace');
    this.show(
      el('h2', { role: 'status' }, `Open ${copy.name}?`),
      el('p', {}, 'Its documents take the place of those that are here, which are deleted.'),
      el('p', { class: 'choice' }, action, keep),
    );
    keep.focus();
  }

  private async run(title: string, job: (transfer: Transfer) => Promise<void>, done: () => string): Promise<void> {
    if (this.isBusy) return;
    this.isBusy = true;
    const stop = new AbortController();
    const cancel = el('button', { type: 'button', class: 'link', on: { click: () => stop.abort() } }, 'Cancel');
    let shown = -Infinity;
    const onProgress = ({ done, total }: Progress) => {
      if (performance.now() - shown < SHOW_MS && done < total) return;
      shown = performance.now();
      replace(bar, progressBar(title, done, total));
      replace(text, `${count(done)} of ${count(total)} passages`);
    };
    const bar = el('div', {}, progressBar(title, 0, 1));
    const text = el('span', {});
    this.show(el('h2', { role: 'status' }, title), bar, el('p', { class: 'meta num' }, text, cancel));
    cancel.focus();
    try {
      await this.settle();
      await job({ signal: stop.signal, onProgress });
      this.end(done());
    } catch (error) {
      if (isAbort(error)) this.close();
      else this.end(`${title} failed. ${sentence(error)} Nothing has changed.`);
    } finally {
      this.isBusy = false;
    }
  }

  private end(text: string): void {
    const hadFocus = this.card.contains(document.activeElement);
    const close = this.closeButton('Close');
    this.show(el('p', { role: 'status', class: 'meta' }, el('span', {}, text), close));
    if (hadFocus) close.focus();
  }

  private closeButton(label: string): HTMLElement {
    return el('button', { type: 'button', class: 'link', on: { click: () => this.close() } }, label);
  }

  private close(): void {
    const hadFocus = this.card.contains(document.activeElement);
    this.card.hidden = true;
    if (hadFocus) this.buttons.querySelector('button')?.focus();
  }

  private show(...children: HTMLElement[]): void {
    replace(this.card, ...children);
    this.card.hidden = false;
  }
}
