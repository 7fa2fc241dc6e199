// A copy of all documents as one file: saved where the person says, and opened in place of what is here. Nothing is lost on the
// way: the passages that a copy replaces are kept under another name until it is in.
import type { Database, Progress } from 'piramid';
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

/** Rejects with an `AbortError` where nobody chooses a place. */
export async function saveCopy(db: Database, { signal, onProgress }: Transfer): Promise<void> {
  const suggestedName = `piramid-${new Date().toISOString().slice(0, 10)}.piramid`;
  const picker = (window as { showSaveFilePicker?: Picker }).showSaveFilePicker;
  const file = await picker?.({ suggestedName });
  const copy = db.export({ collections: [PASSAGES], signal, onProgress });
  if (file) return copy.pipeTo(await file.createWritable());
  const url = URL.createObjectURL(await new Response(copy).blob());
  Object.assign(document.createElement('a'), { href: url, download: suggestedName }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser has taken it by then
}

/** The page is to be loaded anew after it. Whatever fails, the documents are what they were. */
export async function openCopy(db: Database, copy: Blob, { signal, onProgress }: Transfer): Promise<void> {
  await db.renameCollection(PASSAGES, KEPT);
  let others: string[] = [];
  let isIn = false;
  try {
    const { collections } = await db.import(copy, { signal, onProgress });
    others = collections.filter((name) => name !== PASSAGES);
  } finally {
    isIn = await settleCopy(db);
  }
  for (const name of others) await db.deleteCollection(name);
  if (!isIn) throw new Error('This file holds no documents of this page, or another model has embedded them.');
  setFilled('copy');
}

/** Ends what `openCopy` may have begun, in this page or in one that died: says whether a copy is in. */
export async function settleCopy(db: Database): Promise<boolean> {
  const names = (await db.listCollections()).map(({ name }) => name);
  if (!names.includes(KEPT)) return false;
  if (names.includes(PASSAGES)) {
    const isOurs = await openPassages(db).then(
      () => true,
      () => false,
    );
    await db.deleteCollection(isOurs ? KEPT : PASSAGES);
    if (isOurs) return true;
  }
  await db.renameCollection(KEPT, PASSAGES);
  return false;
}
