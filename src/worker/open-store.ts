// Opens what records are stored in: the backend, encryption, the fence, and the store on top, which is told how postings are
// merged.
import { toPiramidError } from '../errors.ts';
import type { EngineOptions } from '../protocol.ts';
import type { Backend } from '../store/backend.ts';
import { openEncryption, type Unlocked } from '../store/encryption.ts';
import { openFenced } from '../store/fence.ts';
import { openIndexedDb } from '../store/indexeddb.ts';
import { MemoryBackend } from '../store/memory.ts';
import type { StoredPostings } from '../store/reader.ts';
import { type CoderFor, Store } from '../store/store.ts';
import type { Renumbering } from '../structures/renumbering.ts';
import { mergePostings, Postings } from '../text/postings.ts';

/** Postings blocks merged in one go: for each word all of them are looked at, and a log holds up to 2000. */
const MERGED_AT_ONCE = 16;

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
}

/** Throws `CORRUPT`, `NEWER_FORMAT`, `WRONG_KEY`; the backend is closed then. */
export async function openStore(inner: Backend, { key, known, coderFor, areOthersGone }: Opening) {
  try {
    const encryption = await openEncryption(inner, key, known);
    const backend = await openFenced(encryption?.backend ?? inner, areOthersGone);
    await encryption?.establish(backend);
    const store = await Store.open(backend, mergeBlocks, coderFor);
    if (backend.full) store.refuseWrites(backend.full);
    return { store, backend, encryption };
  } catch (error) {
    inner.close();
    throw toPiramidError(error, 'CORRUPT', 'opening the database');
  }
}

// Deleted rows stay in when the log is folded: only compaction drops rows. They count in no statistics (`text/word-index`).
function mergeBlocks(blocks: readonly StoredPostings[], renumbering?: Renumbering): Uint8Array {
  const opened = blocks.map(({ bytes, shift }) => Postings.open(bytes, shift));
  if (opened.length <= MERGED_AT_ONCE) return mergePostings(opened, renumbering);
  const merged: StoredPostings[] = [];
  for (let i = 0; i < opened.length; i += MERGED_AT_ONCE)
    merged.push({ bytes: mergePostings(opened.slice(i, i + MERGED_AT_ONCE), renumbering), shift: 0 });
  return mergeBlocks(merged);
}
