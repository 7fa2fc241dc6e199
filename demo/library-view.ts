// The Library: every document that is in, with how much it holds and since when; files are added here and documents
// deleted. Files on their way in stand above the list until they are done with.
import type { Collection } from 'piramid';
import { type DocumentInfo, deleteDocument, listDocuments } from 'piramid/rag';
import type { AddedFile, Adding } from './adding.ts';
import { CopiesPanel } from './copies-panel.ts';
import { Deletion } from './deletion.ts';
import { DocsSwitch } from './docs-switch.ts';
import { byId, el, replace } from './dom.ts';
import { chosenFiles, type DroppedFile } from './dropped-files.ts';
import { bytes, count, day, duration, plural } from './format.ts';
import { ACCEPTED } from './kinds.ts';
import { sentence, showProblem } from './problems.ts';
import { progressBar } from './progress-bar.ts';
import { isFilling } from './progress-line.ts';
import { SIZES } from './sizes.ts';
import { href, state } from './state.ts';

type Column = 'title' | 'passages' | 'bytes' | 'addedAt';
const COLUMNS: readonly [Column, string][] = [
  ['title', 'Document'],
  ['passages', 'Passages'],
  ['bytes', SIZES.text.label],
  ['addedAt', 'Added'],
];
const STATES: { readonly [state in AddedFile['state']]: string } = {
  waiting: 'waiting',
  adding: 'adding …',
  added: 'added',
  updated: 'updated',
  unchanged: 'unchanged',
  failed: 'not added',
};
/** Rows of files that are shown at once; the rest is counted. */
const FILES_MAX = 50;

export class LibraryView {
  readonly element = el('section', { class: 'library', 'aria-label': 'Library' });
  /** Told when documents have come or gone. */
  onChanged: () => void = () => {};
  private readonly passages: Collection;
  private readonly adding: Adding;
  private readonly copies: CopiesPanel;
  private readonly status = el('p', { class: 'num', role: 'status' });
  private readonly files = el('section', { class: 'card adding', 'aria-label': 'Files on their way in', hidden: true });
  private readonly find = el('input', {
    type: 'search',
    class: 'field',
    placeholder: 'Find by title',
    'aria-label': 'Find a document by its title',
  });
  private readonly body = el('tbody');
  private readonly head = el('tr');
  private readonly deletion = new Deletion();
  private readonly docs: DocsSwitch;
  private documents: DocumentInfo[] = [];
  private order: { by: Column; down: boolean } = { by: 'addedAt', down: true };

  constructor(passages: Collection, adding: Adding) {
    this.passages = passages;
    this.adding = adding;
    this.copies = new CopiesPanel(
      passages.database,
      () => adding.isRunning || isFilling(),
      () => this.deletion.finish(),
    );
    this.docs = new DocsSwitch(passages);
    this.docs.onChanged = () => this.onChanged();
    this.deletion.onChange = () => this.showDocuments();
    this.deletion.onLeft = () => this.find.focus();
    adding.onChange = () => this.showFiles();
    this.find.addEventListener('input', () => this.showDocuments());
    replace(
      this.element,
      el('div', { class: 'meta' }, this.status),
      el(
        'div',
        { class: 'tools' },
        chooser('Add files', { multiple: true, accept: ACCEPTED }, (list) => this.add(list)),
        chooser('Add a folder', { webkitdirectory: true }, (list) => this.add(list)),
        this.copies.buttons,
        this.find,
      ),
      el(
        'p',
        { class: 'soft hint' },
        'Text, Markdown, HTML, tables, PDF, Word. You can also drop files or a folder anywhere on this page. They stay on this machine.',
      ),
      this.docs.element,
      this.copies.card,
      this.files,
      el(
        'table',
        { class: 'documents' },
        el('caption', { class: 'hidden' }, 'Documents'),
        el('thead', {}, this.head),
        this.body,
      ),
      this.deletion.element,
    );
  }

  /** Adds files, unless a copy is about to replace all there is. */
  add(files: readonly DroppedFile[]): void {
    if (this.copies.isOpening)
      showProblem('A copy is being opened: what is added now would be replaced by it. Add the files afterwards.');
    else void this.deletion.finish().then(() => this.adding.add(files));
  }

  /** It is no longer in sight: what was deleted cannot be brought back from elsewhere. */
  leave(): void {
    void this.deletion.finish();
  }

  async update(): Promise<void> {
    replace(byId('beside'));
    try {
      this.documents = await listDocuments(this.passages);
      this.showDocuments();
      await this.docs.update();
    } catch (error) {
      replace(this.status, `The documents could not be listed. ${sentence(error)}`);
    }
  }

  private showDocuments(): void {
    const sought = this.find.value.trim().toLowerCase();
    const shown = this.documents
      .filter(({ id }) => !this.deletion.has(id))
      .filter(({ title, id }) => sought === '' || `${title} ${id}`.toLowerCase().includes(sought))
      .sort((a, b) => compare(a[this.order.by], b[this.order.by]) * (this.order.down ? -1 : 1));
    const total = (of: 'passages' | 'bytes') => shown.reduce((sum, document) => sum + document[of], 0);
    replace(
      this.status,
      [plural(shown.length, 'document'), plural(total('passages'), 'passage'), `${bytes(total('bytes'))} of text`].join(
        ' · ',
      ),
    );
    replace(
      this.head,
      ...COLUMNS.map(([column, label]) => this.column(column, label)),
      el('th', {}, el('span', { class: 'hidden' }, 'Delete')),
    );
    replace(this.body, ...shown.map((document) => this.row(document)));
    if (shown.length === 0) {
      const text =
        this.documents.length === 0 ? 'Nothing is in yet. Add files, or drop them here.' : 'No title has these words.';
      replace(this.body, el('tr', {}, el('td', { colspan: COLUMNS.length + 1, class: 'soft' }, text)));
    }
  }

  private column(column: Column, label: string): HTMLElement {
    const { by, down } = this.order;
    const sorted = by === column ? (down ? 'descending' : 'ascending') : undefined;
    const button = el(
      'button',
      { type: 'button', 'data-column': column },
      label,
      sorted && el('span', { 'aria-hidden': 'true' }, down ? ' ↓' : ' ↑'),
    );
    button.addEventListener('click', () => {
      this.order = { by: column, down: by === column ? !down : column !== 'title' };
      this.showDocuments();
      this.head.querySelector<HTMLElement>(`[data-column="${column}"]`)?.focus();
    });
    return el('th', { scope: 'col', class: column, 'aria-sort': sorted }, button);
  }

  private row(document: DocumentInfo): HTMLElement {
    const { id, title, passages, bytes: size, addedAt } = document;
    const remove = el('button', { type: 'button', class: 'link', 'aria-label': `Delete ${title}` }, 'Delete');
    remove.addEventListener('click', () => this.deletion.begin(id, title, () => this.delete(document)));
    return el(
      'tr',
      {},
      el(
        'th',
        { scope: 'row', class: 'title' },
        el('a', { href: href({ ...state(), reading: { document: id } }), 'data-go': true }, title),
      ),
      el('td', { class: 'passages num' }, count(passages)),
      el('td', { class: 'bytes num' }, bytes(size)),
      el('td', { class: 'addedAt num' }, day(addedAt)),
      el('td', { class: 'remove' }, remove),
    );
  }

  private async delete(document: DocumentInfo): Promise<void> {
    try {
      await deleteDocument(this.passages, document.id);
      this.documents = this.documents.filter((other) => other !== document);
      this.onChanged();
    } catch (error) {
      showProblem(`${document.title} could not be deleted. ${sentence(error)}`);
    }
  }

  private showFiles(): void {
    const { files, isRunning, isStopped, leftOut, passagesPerSecond, secondsLeft } = this.adding;
    this.files.hidden = files.length === 0 && leftOut === 0;
    if (this.files.hidden) return;
    const done = files.filter(({ state }) => state !== 'waiting' && state !== 'adding').length;
    const failed = files.filter(({ state }) => state === 'failed').length;
    const action = isRunning
      ? el('button', { type: 'button', class: 'link', on: { click: () => this.adding.cancel() } }, 'Cancel')
      : isStopped && done < files.length
        ? el('button', { type: 'button', class: 'link', on: { click: () => void this.adding.goOn() } }, 'Go on')
        : el('button', { type: 'button', class: 'link', on: { click: () => this.adding.clear() } }, 'Close');
    // Failures and what is under way first: they are what one looks for.
    const weight = { failed: 0, adding: 1, waiting: 2, added: 3, updated: 3, unchanged: 4 } as const;
    const ordered = [...files].sort((a, b) => weight[a.state] - weight[b.state]);
    const hadFocus = this.files.contains(globalThis.document.activeElement);
    replace(
      this.files,
      el(
        'h2',
        { role: 'status' },
        isRunning ? 'Adding files' : isStopped && done < files.length ? 'Stopped' : 'Added files',
      ),
      progressBar('Files added', done, files.length),
      el(
        'p',
        { class: 'meta num' },
        el(
          'span',
          {},
          [
            `${count(done)} of ${plural(files.length, 'file')}`,
            isRunning && passagesPerSecond > 0 && `${count(passagesPerSecond)} passages/s`,
            isRunning && secondsLeft !== undefined && `${duration(secondsLeft)} left`,
            failed > 0 && `${count(failed)} not added`,
            leftOut > 0 && `${plural(leftOut, 'file')} of other kinds left out`,
          ]
            .filter(Boolean)
            .join(' · '),
        ),
        action,
      ),
      el(
        'ul',
        {},
        ...ordered
          .slice(0, FILES_MAX)
          .map(({ path, bytes: size, state, reason }) =>
            el(
              'li',
              { class: state },
              el('span', {}, path),
              el('span', { class: 'num' }, `${bytes(size)} · ${STATES[state]}`),
              reason !== undefined && el('p', {}, reason),
            ),
          ),
        ordered.length > FILES_MAX && el('li', {}, `and ${count(ordered.length - FILES_MAX)} more`),
      ),
    );
    if (hadFocus) action.focus();
  }
}

/** A button that opens the browser's own choice of files. */
function chooser(
  label: string,
  attributes: { [name: string]: unknown },
  onFiles: (files: DroppedFile[]) => void,
): HTMLElement {
  const input = el('input', { type: 'file', hidden: true, ...attributes });
  input.addEventListener('change', () => {
    onFiles(chosenFiles(input.files ?? []));
    input.value = '';
  });
  return el(
    'span',
    {},
    el('button', { type: 'button', class: 'button', on: { click: () => input.click() } }, label),
    input,
  );
}

function compare(a: string | number | Date, b: string | number | Date): number {
  return typeof a === 'string' ? a.localeCompare(b as string, 'en', { numeric: true }) : Number(a) - Number(b);
}
