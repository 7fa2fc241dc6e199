// A document that is on its way out: it has left the list, and is deleted a few seconds later, or with the next action.
// Until then it can be brought back, and a page that is loaded again still has it.
import { el, replace } from './dom.ts';

/** Time to bring a document back, milliseconds. */
const UNDO_MS = 8000;

interface Pending {
  id: string;
  remove: () => Promise<void>;
}

export class Deletion {
  readonly element = el('p', { class: 'undo', role: 'status', hidden: true });
  /** Told when a document has left the list or has come back to it. */
  onChange: () => void = () => {};
  /** Told when its button had the focus and is gone. */
  onLeft: () => void = () => {};
  private pending: Pending | undefined;
  /** Those that are being deleted, and the one that can still come back. */
  private readonly leaving = new Set<string>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    // Time stands still while the pointer is about to press the button.
    this.element.addEventListener('pointerenter', () => clearTimeout(this.timer));
    this.element.addEventListener('pointerleave', () => this.wait());
  }

  /** Whether a document is on its way out. */
  has(id: string): boolean {
    return this.leaving.has(id);
  }

  /** Takes a document out; one that was on its way is deleted now. */
  begin(id: string, title: string, remove: () => Promise<void>): void {
    void this.finish();
    this.pending = { id, remove };
    this.leaving.add(id);
    const undo = el('button', { type: 'button', class: 'link', on: { click: () => this.undo() } }, 'Undo');
    replace(this.element, el('span', {}, `${title} is deleted.`), undo);
    this.element.hidden = false;
    this.wait();
    this.onChange();
    undo.focus();
  }

  /** Deletes what is on its way out. */
  async finish(): Promise<void> {
    const { pending } = this;
    if (!pending) return;
    this.end();
    await pending.remove();
    this.leaving.delete(pending.id);
    this.onChange();
  }

  private undo(): void {
    if (this.pending) this.leaving.delete(this.pending.id);
    this.end();
    this.onChange();
  }

  private end(): void {
    clearTimeout(this.timer);
    this.pending = undefined;
    const hadFocus = this.element.contains(document.activeElement);
    this.element.hidden = true;
    if (hadFocus) this.onLeft();
  }

  private wait(): void {
    clearTimeout(this.timer);
    if (this.pending) this.timer = setTimeout(() => void this.finish(), UNDO_MS);
  }
}
