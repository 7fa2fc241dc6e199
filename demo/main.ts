// The page: opens the database, keeps views and URL in step, fills the collection on the first visit. Each view is shown
// for a state and told of changes; none knows of the others.
import { Adding } from './adding.ts';
import { AskView } from './ask-view.ts';
import { boot } from './boot.ts';
import { watchCopies } from './copies.ts';
import { isFilled, loadAhead } from './corpus.ts';
import { closeOnLeave, openDatabase } from './database.ts';
import { DeviceChip } from './device-chip.ts';
import { byId, el, replace } from './dom.ts';
import { acceptDrops } from './dropped-files.ts';
import { FiltersPanel } from './filters-panel.ts';
import { InspectView } from './inspect-view.ts';
import { LibraryView } from './library-view.ts';
import { MapView } from './map-view.ts';
import { watchNotices } from './notices.ts';
import { prepareOffline } from './offline.ts';
import { sentence, showProblem } from './problems.ts';
import { runFill, showNewVersion } from './progress-line.ts';
import { ReaderView } from './reader-view.ts';
import { SearchView } from './search-view.ts';
import { back, go, href, onChange, type State, savedScroll, state, type View } from './state.ts';

const words = byId<HTMLInputElement>('words');
const main = byId('main');
let onAsk = () => {};

/** Opening takes longer than this only where another tab that leads is busy or dying, milliseconds. */
const PATIENCE_MS = 700;

async function start(): Promise<void> {
  loadAhead();
  const say = () => replace(main, el('p', { class: 'soft', role: 'status' }, 'Opening the documents of this page …'));
  const waiting = setTimeout(() => isFilled() && say(), PATIENCE_MS);
  let refreshAll = async () => {};
  const opening = openDatabase((db) => watchNotices(db, () => refreshAll()));
  const { db, passages } = await opening.finally(() => clearTimeout(waiting));
  closeOnLeave(db);
  watchCopies(() => location.reload());
  const chip = new DeviceChip(db);
  const filters = new FiltersPanel(passages);
  const search = new SearchView(passages);
  const asking = new AskView(passages);
  const adding = new Adding(passages);
  const library = new LibraryView(passages, adding);
  const map = new MapView(passages);
  const inspect = new InspectView(passages);
  const reader = new ReaderView(passages);
  search.onSpread = (found) =>
    filters.showMatches(
      'year',
      found.flatMap(({ year }) => (typeof year === 'number' ? [year] : [])),
    );
  replace(main, search.element, asking.element, library.element, map.element, inspect.element, reader.element);

  async function show(now: State, before?: State): Promise<void> {
    if (now.reading && !before?.reading && document.activeElement) reader.rememberFocus(document.activeElement);
    document.body.dataset.view = now.reading ? 'reader' : now.view;
    if (before && (before.view !== now.view || before.reading !== now.reading || before.words !== now.words))
      filters.close();
    search.element.hidden = now.reading !== undefined || now.view !== 'search';
    asking.element.hidden = now.reading !== undefined || now.view !== 'ask';
    library.element.hidden = now.reading !== undefined || now.view !== 'library';
    map.element.hidden = now.reading !== undefined || now.view !== 'map';
    inspect.element.hidden = now.reading !== undefined || now.view !== 'inspect';
    if (inspect.element.hidden) inspect.leave();
    if (library.element.hidden) library.leave();
    reader.element.hidden = now.reading === undefined;
    setLinks(now);
    document.title = now.words.trim() === '' ? 'Piramid' : `${now.words} · Piramid`;
    words.placeholder = now.view === 'ask' ? 'Ask a question' : 'Search by meaning and by words';
    words.setAttribute('aria-label', now.view === 'ask' ? 'Question' : 'Search');
    if (now.reading) {
      await reader.open(now.reading, now.words);
      return;
    }
    if (before && !before.reading && (before.view !== now.view || before.words !== now.words)) scrollTo({ top: 0 });
    if (now.filters !== before?.filters) void filters.update(now.filters);
    if (now.view === 'search') {
      if (search.isCurrent(now.words, now.filters)) search.showBeside();
      else await search.update(now.words, now.filters);
    } else if (now.view === 'ask') await asking.update(now.words, now.filters);
    else if (now.view === 'library') await library.update();
    else if (now.view === 'map') await map.update(now.words, now.filters);
    else await inspect.update(now.words, now.filters);
    if (before?.reading) {
      scrollTo({ top: savedScroll(), behavior: 'instant' });
      reader.returnFocus();
    }
  }

  /** After documents have come or gone. */
  async function refresh(): Promise<void> {
    reader.forget();
    map.outdated();
    const view = state().view;
    await Promise.all([
      filters.update(state().filters),
      chip.update(),
      view === 'search' && !state().reading && search.refresh(),
      view === 'library' && !state().reading && library.update(),
      view === 'map' && !state().reading && map.update(state().words, state().filters),
      view === 'inspect' && !state().reading && inspect.update(state().words, state().filters),
    ]);
    if (view !== 'search' || state().reading) search.outdated();
  }

  refreshAll = refresh;
  adding.onAdded = () => void refresh();
  library.onChanged = () => void refresh();
  acceptDrops((files) => {
    if (state().view !== 'library' || state().reading) go({ view: 'library', reading: undefined });
    library.add(files);
  });
  onAsk = () => asking.askAgain();
  onChange((now, before) => void show(now, before));
  const filling = runFill(passages, refresh);
  await show(state());
  await chip.update();
  await filling;
  await prepareOffline((ready) => chip.setOffline(ready), showNewVersion);
}

/** The views as links: each keeps the words and the filters. */
function setLinks(now: State): void {
  for (const link of document.querySelectorAll<HTMLAnchorElement>('#views a')) {
    link.href = href({ ...now, view: link.dataset.view as View, reading: undefined });
    if (link.dataset.view === now.view) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
}

words.addEventListener('input', () => {
  const { view, reading } = state();
  if (view === 'ask' && !reading) return setLinks({ ...state(), words: words.value }); // Enter asks
  const stays = view !== 'library' && !reading;
  go(
    stays ? { words: words.value } : { view: 'search', words: words.value, reading: undefined },
    stays ? 'typing' : 'push',
  );
});
byId('search').addEventListener('submit', (event) => {
  event.preventDefault();
  if (state().view !== 'ask') return;
  onAsk();
  go({ words: words.value, reading: undefined });
});
words.addEventListener('keydown', (event) => {
  if (event.key !== 'ArrowDown') return;
  const first = main.querySelector<HTMLElement>('.results h2 a');
  if (!first?.checkVisibility()) return;
  event.preventDefault();
  first.focus();
});
addEventListener('keydown', (event) => {
  if (event.key === '/' && !takesSlash(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    words.focus();
    words.select();
  } else if (event.key === 'Escape' && !event.defaultPrevented) {
    if (state().reading) back({ reading: undefined });
    else if (main.contains(document.activeElement)) words.focus();
  }
});

/** Whether a slash is to be written there. Not into the words while nothing stands beside it: the page says that it leads there. */
function takesSlash(target: EventTarget | null): boolean {
  if (target === words) return words.selectionStart !== 0 || words.selectionEnd !== words.value.length;
  return target instanceof Element && target.matches('input:is([type=search], [type=text]), textarea');
}

boot();
start().catch((error) => {
  replace(main);
  replace(byId('device').lastElementChild!, 'Not started');
  showProblem(sentence(error));
});
