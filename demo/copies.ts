// A copy of all documents as one file: saved where the person says, and opened in place of what is here. Nothing is lost on the
// way: the passages that a copy replaces are kept under another name until it is in, and come back unless it is known to be.
import type { Collection, Database, Progress } from 'piramid';
import { setFilled } from './corpus.ts';
import { openPassages, PASSAGES } from './passages.ts';

export interface Transfer {
  signal: AbortSignal;
  onProgress: (progress: Progress) => void;
}

/** What some browsers have: the file is written while it is made. The others hold all of it first. */
type Picker = (options: { suggestedName: string }) => Promise<{ createWritable(): Promise<WritableStream> }>;

/** The passages that are being replaced. */
const KEPT = 'passages before the copy';
/** Set once a copy is in: from then on the passages before it are what is to be deleted. */
const IN_KEY = 'piramid-demo-copy-in';
/** Tells other tabs, which hold what has been replaced. */
const channel = new BroadcastChannel('piramid-demo-copies');

/** Rejects with an `AbortError` where nobody chooses a place. */
export async function saveCopy(db: Database, { signal, onProgress }: Transfer): Promise<void> {
  const suggestedName = `piramid-${new Date().toISOString().slice(0, 10)}.piramid`;
  const picker = (window as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  const file = await (await picker?.({ suggestedName }))?.createWritable();
  const copy = db.export({ collections: [PASSAGES], signal, onProgress });
  if (file) return copy.pipeTo(file);
  const url = URL.createObjectURL(await new Response(copy).blob());
  Object.assign(document.createElement('a'), { href: url, download: suggestedName }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser has taken it by then
}

/** The page is to be loaded anew after it, as other tabs do by themselves. If it rejects, the documents are what they were. */
export function openCopy(db: Database, copy: Blob, { signal, onProgress }: Transfer): Promise<void> {
  return alone(async () => {
    await db.renameCollection(PASSAGES, KEPT);
    try {
      const { collections } = await db.import(copy, { signal, onProgress });
      if (!collections.includes(PASSAGES)) throw new Error('This file holds no documents of this page.');
      await openPassages(db); // embedded by the same model
      setFilled('copy');
      localStorage.setItem(IN_KEY, 'true');
    } catch (error) {
      await settle(db);
      throw error;
    }
    await settle(db).catch(() => {}); // the next opening of the page does
    channel.postMessage('replaced');
  });
}

/** Opens the passages. Ends what a page that died may have begun. */
export function openDocuments(db: Database): Promise<Collection> {
  return alone(async () => {
    // A full storage may not let it: then the documents are read where they are.
    await settle(db).catch(() => {});
    const names = (await db.listCollections()).map(({ name }) => name);
    return openPassages(db, names.includes(PASSAGES) || !names.includes(KEPT) ? PASSAGES : KEPT);
  });
}

/** Calls `onReplaced` when another tab has opened a copy. */
export function watchCopies(onReplaced: () => void): void {
  channel.addEventListener('message', onReplaced);
}

/** Leaves one collection of passages: the copy if it is known to be in, and else those before it. */
async function settle(db: Database): Promise<void> {
  const names = (await db.listCollections()).map(({ name }) => name);
  if (names.includes(KEPT)) {
    const isIn = localStorage.getItem(IN_KEY) !== null && names.includes(PASSAGES);
    for (const name of names) if (name !== (isIn ? PASSAGES : KEPT)) await db.deleteCollection(name);
    if (!isIn) await db.renameCollection(KEPT, PASSAGES);
  }
  localStorage.removeItem(IN_KEY);
}

/** One tab at a time: another one that opens meanwhile must not take passages under way for missing ones. */
async function alone<T>(job: () => Promise<T>): Promise<T> {
  return navigator.locks ? await navigator.locks.request('piramid-demo-copies', job) : job();
}
