// The quiet line under the header: how far the documents of the page have come in, with a way to stop and to go on, and
// later that a new version of the page is there.
import type { Collection } from 'piramid';
import { type CorpusProgress, fill, isFilled } from './corpus.ts';
import { byId, el, replace } from './dom.ts';
import { count, duration } from './format.ts';
import { isAbort, sentence } from './problems.ts';

/** How often views are told that there is more, milliseconds: soon at first, then after twice the time, up to the most. */
const REFRESH_FIRST_MS = 150;
const REFRESH_MOST_MS = 1200;
/** How often the line itself changes, at most. */
const SHOW_MS = 150;

let filling = false;

/** Whether documents of the page are on their way in. */
export function isFilling(): boolean {
  return filling;
}

/** Fills the collection unless that is done. Resolves when it is full, stopped or failed. */
export async function runFill(passages: Collection, refresh: () => Promise<void>): Promise<void> {
  const line = byId('progress');
  if (isFilled() && (await passages.count()) > 0) return;
  const stop = new AbortController();
  const text = el('span', { class: 'text-line' });
  const thread = el('i');
  const cancel = el('button', { type: 'button', class: 'link', on: { click: () => stop.abort() } }, 'Cancel');
  replace(line, text, cancel, el('div', { class: 'thread', 'aria-hidden': 'true' }, thread));
  line.hidden = false;
  let refreshed = -Infinity;
  let pause = REFRESH_FIRST_MS;
  let refreshing = Promise.resolve();
  let shown = -Infinity;
  const onProgress = ({ documents, of, passagesPerSecond, secondsLeft }: CorpusProgress) => {
    if (performance.now() - shown < SHOW_MS) return;
    shown = performance.now();
    replace(
      text,
      el('span', { class: 'long' }, 'Adding the addresses: '),
      `${count(documents)} of ${count(of)}`,
      el('span', { class: 'long' }, ' documents'),
      passagesPerSecond > 0 && el('span', { class: 'long' }, ` · ${count(passagesPerSecond)} passages/s`),
      secondsLeft !== undefined && ` · ${duration(secondsLeft)} left`,
    );
    thread.style.width = `${(documents / of) * 100}%`;
    if (performance.now() - refreshed < pause) return;
    refreshed = performance.now();
    pause = Math.min(REFRESH_MOST_MS, 2 * pause);
    refreshing = refreshing.then(refresh).catch(() => {}); // the next one, or the last, says it
  };
  filling = true;
  try {
    await fill(passages, { onProgress, signal: stop.signal });
    line.hidden = true;
  } catch (error) {
    const goOn = el('button', { type: 'button', class: 'link' }, 'Go on');
    goOn.addEventListener('click', () => void runFill(passages, refresh));
    replace(line, isAbort(error) ? 'Stopped adding the addresses. ' : `${sentence(error)} `, goOn);
  } finally {
    filling = false;
  }
  await refreshing;
  await refresh();
}

/** Offers a new version; it comes by itself at the next start. */
export function showNewVersion(load: () => void): void {
  const line = byId('progress');
  replace(
    line,
    'A new version of this page is ready. ',
    el('button', { type: 'button', class: 'link', on: { click: load } }, 'Load it'),
  );
  line.hidden = false;
}
