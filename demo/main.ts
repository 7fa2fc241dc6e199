// The page: opens the database, keeps views and URL in step, fills the collection on the first visit. Each view is shown
// for a state and told of changes; none knows of the others.
import './boot.ts';
import { closeOnLeave, openDatabase } from './database.ts';
import { DeviceChip } from './device-chip.ts';
import { byId, replace } from './dom.ts';
import { FiltersPanel } from './filters-panel.ts';
import { prepareOffline } from './offline.ts';
import { sentence, showProblem } from './problems.ts';
import { runFill } from './progress-line.ts';
import { ReaderView } from './reader-view.ts';
import { SearchView } from './search-view.ts';
import { back, go, href, onChange, type State, savedScroll, state, type View } from './state.ts';

const words = byId<HTMLInputElement>('words');
const main = byId('main');

async function start(): Promise<void> {
  const { db, passages } = await openDatabase();
  closeOnLeave(db);
  const chip = new DeviceChip(db);
  const filters = new FiltersPanel(passages);
  const search = new SearchView(passages);
  const reader = new ReaderView(passages);
  search.onSpread = (found) =>
    filters.showMatches(
      'year',
      found.flatMap(({ year }) => (typeof year === 'number' ? [year] : [])),
    );
  replace(main, search.element, reader.element);

  async function show(now: State, before?: State): Promise<void> {
    document.body.dataset.view = now.reading ? 'reader' : now.view;
    search.element.hidden = now.reading !== undefined || now.view !== 'search';
    reader.element.hidden = now.reading === undefined;
    if (words.value !== now.words) words.value = now.words;
    for (const link of document.querySelectorAll<HTMLAnchorElement>('#views a')) {
      link.href = href({ ...now, view: link.dataset.view as View, reading: undefined });
      if (link.dataset.view === now.view) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    if (now.reading) {
      await reader.open(now.reading, now.words);
      return;
    }
    if (now.filters !== before?.filters) void filters.update(now.filters);
    if (now.view === 'search') {
      const same =
        before?.reading && before.words === now.words && JSON.stringify(before.filters) === JSON.stringify(now.filters);
      if (!same) await search.update(now.words, now.filters);
    }
    if (before?.reading) {
      scrollTo({ top: savedScroll(), behavior: 'instant' });
      reader.returnFocus();
    }
  }

  onChange((now, before) => void show(now, before));
  await show(state());
  await chip.update();
  await runFill(passages, async () => {
    await Promise.all([search.refresh(), filters.update(state().filters), chip.update()]);
  });
  await prepareOffline((ready) => chip.setOffline(ready));
}

words.addEventListener('input', () => {
  const { view, reading } = state();
  const stays = !reading && view !== 'library';
  go(
    stays ? { words: words.value } : { view: 'search', words: words.value, reading: undefined },
    stays ? 'typing' : 'push',
  );
});
byId('search').addEventListener('submit', (event) => {
  event.preventDefault();
});
words.addEventListener('keydown', (event) => {
  if (event.key !== 'ArrowDown') return;
  const first = main.querySelector<HTMLElement>('.results h2 a');
  if (!first?.checkVisibility()) return;
  event.preventDefault();
  first.focus();
});
addEventListener('keydown', (event) => {
  const inField = event.target instanceof Element && event.target.closest('input, textarea, select');
  if (event.key === '/' && !inField && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    words.focus();
    words.select();
  } else if (event.key === 'Escape' && !event.defaultPrevented) {
    if (state().reading) back({ reading: undefined });
    else if (main.contains(document.activeElement)) words.focus();
  }
});

start().catch((error) => showProblem(sentence(error)));
