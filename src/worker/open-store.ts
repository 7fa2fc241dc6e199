// Opens what records are stored in: the backend, encryption, the fence, and the store on top.
import { toPiramidError } from '../errors.ts';
import type { EngineOptions } from '../protocol.ts';
import type { Backend } from '../store/backend.ts';
import { openEncryption, type Unlocked } from '../store/encryption.ts';
import { openFenced } from '../store/fence.ts';
import { openIndexedDb } from '../store/indexeddb.ts';
import { MemoryBackend } from '../store/memory.ts';
import type { FiledRows } from '../store/rows/filed-rows.ts';
import { type CoderFor, Store } from '../store/store.ts';
import { mergeStored } from './postings.ts';

/** As the options of `open` say. */
export async function backendOf({ storage, name, durability }: EngineOptions): Promise<Backend> {
  return storage === 'memory' ? new MemoryBackend() : openIndexedDb(name, durability);
}

/** What a store is opened with. */
interface Opening {
  /** The caller's; null without encryption. */
  key: CryptoKey | null;
  /** What this worker knows of the database's encryption. */
  known: Unlocked | null;
  coderFor: CoderFor;
  /** Whether nobody else who has opened the database can write to it any more. */
  areOthersGone: () => Promise<boolean>;
  /** Where vectors are kept besides, unless the database is encrypted. */
  filed?: FiledRows | null;
}

/** Throws `CORRUPT`, `NEWER_FORMAT`, `WRONG_KEY`; the backend is closed then. */
export async function openStore(inner: Backend, { key, known, coderFor, areOthersGone, filed = null }: Opening) {
  try {
    const encryption = await openEncryption(inner, key, known);
    const backend = await openFenced(encryption?.backend ?? inner, areOthersGone);
    await encryption?.establish(backend);
    const store = await Store.open(backend, mergeStored, coderFor, encryption ? null : filed);
    if (backend.full) store.refuseWrites(backend.full);
    return { store, backend, encryption };
  } catch (error) {
    inner.close();
    throw toPiramidError(error, 'CORRUPT', 'opening the database');
  }
}
