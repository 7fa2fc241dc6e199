// The one database of the page, in a worker that is a file of its own, so that the page's Content-Security-Policy can stay strict.
import { type Collection, type Database, open } from 'piramid';
import RagWorker from 'piramid/rag-worker?worker';
import { openDocuments } from './copies.ts';

export interface Opened {
  db: Database;
  passages: Collection;
}

/** Where documents come from, as the metadata field `source` says it. */
export const OWN_FILES = 'Your files';

/** `onOpen`: before anything is read, so that it hears of all that is found damaged. */
export async function openDatabase(onOpen: (db: Database) => void): Promise<Opened> {
  const db = await open('piramid-demo', {
    worker: () => new RagWorker(),
    models: { path: './models/', remote: false, runtime: './onnx/' },
  });
  onOpen(db);
  // The passages need it to open; a search says what is wrong with it.
  db.loadModel('embed', 'static-en').catch(() => {});
  return { db, passages: await openDocuments(db) };
}

/** A page that is left lets go of the database, so that the next one need not wait for it. */
export function closeOnLeave(db: Database): void {
  addEventListener('pagehide', () => void db.close());
  addEventListener('pageshow', ({ persisted }) => persisted && location.reload());
}
