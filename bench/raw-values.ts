// The stored values of a collection, read as fast as IndexedDB gives them: one after the other, nothing decoded.
import { timed } from './statistics.ts';

interface Manifest {
  collections: { name: string; segments: { chunks: { kind: string; key: number }[] }[] }[];
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Milliseconds for the chunks of those kinds of collection `c`. The database is closed. */
export async function readRaw(database: string, kinds: readonly string[]): Promise<number> {
  const db = await done(indexedDB.open(`piramid:${database}`));
  const get = (store: string, key: number) => done<ArrayBuffer>(db.transaction(store).objectStore(store).get(key));
  const manifest = JSON.parse(new TextDecoder().decode(new Uint8Array(await get('manifest', 0), 40))) as Manifest;
  const { segments } = manifest.collections.find(({ name }) => name === 'c')!;
  const keys = segments.flatMap(({ chunks }) =>
    chunks.filter(({ kind }) => kinds.includes(kind)).map(({ key }) => key),
  );
  const ms = await timed(async () => {
    for (const key of keys) await get('chunks', key);
  });
  db.close();
  return ms;
}
