// The one collection of the page: documents cut into passages, embedded by the built-in model.
import type { Collection, Database } from 'piramid';

export const PASSAGES = 'passages';

export function openPassages(db: Database, name = PASSAGES): Promise<Collection> {
  return db.collection(name, { embedder: 'static-en' });
}
