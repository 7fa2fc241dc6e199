// The switch in the Library that adds the project's own documents to what is searched, and takes them out again.
import type { Collection } from 'piramid';
import { addDocs, hasDocs, removeDocs } from './corpus.ts';
import { el } from './dom.ts';
import { sentence, showProblem } from './problems.ts';

export class DocsSwitch {
  readonly element: HTMLElement;
  /** Told when documents have come or gone. */
  onChanged: () => void = () => {};
  private readonly passages: Collection;
  private readonly box = el('input', { type: 'checkbox' });

  constructor(passages: Collection) {
    this.passages = passages;
    this.box.addEventListener('change', () => void this.change());
    this.element = el('label', { class: 'switch' }, this.box, 'Also search the documentation of Piramid itself');
  }

  async update(): Promise<void> {
    const has = await hasDocs(this.passages);
    if (!this.box.disabled) this.box.checked = has;
  }

  private async change(): Promise<void> {
    const { box, passages } = this;
    box.disabled = true;
    try {
      await (box.checked ? addDocs(passages) : removeDocs(passages));
      this.onChanged();
    } catch (error) {
      showProblem(`The documentation could not be ${box.checked ? 'added' : 'taken out'}. ${sentence(error)}`);
      box.checked = !box.checked;
    } finally {
      box.disabled = false;
      if (document.activeElement === document.body) box.focus();
    }
  }
}
