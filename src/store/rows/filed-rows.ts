// Keeps a row file in step with the database: vector chunks of the collections that want it are written to the file as they
// are committed, and let go as they are deleted. Opens the file when the first collection wants it. Never fails a call.
import { inSlices, type Sliced } from '../../structures/slices.ts';
import { type Backend, isFull, type Write } from '../backend.ts';
import { KINDS } from '../format.ts';
import type { ChunkRef } from '../manifest.ts';
import { type Norm, RowFile, type RowHandle } from './row-file.ts';

/** Opens a file of the database's for this opener alone; null where there is none to be had. */
export type OpenRowHandle = () => Promise<RowHandle | null>;

export class FiledRows {
  /** Numbers of collections whose vectors are kept in the file. */
  readonly wanted = new Set<number>();
  /** Null until it has been opened. */
  file: RowFile | null = null;
  /** Called when the file could not be written, and is no more. */
  onLost: () => void = () => {};
  readonly #openHandle: OpenRowHandle;
  readonly #norm: Norm;
  #opening: Promise<void> | null = null;
  #isClosed = false;

  constructor(openHandle: OpenRowHandle, norm: Norm) {
    this.#openHandle = openHandle;
    this.#norm = norm;
  }

  /** Opens the file, once. `chunks`: all vector chunks of the database. */
  open(uuid: string, chunks: () => ChunkRef[]): Promise<void> {
    this.#opening ??= this.#open(uuid, chunks);
    return this.#opening;
  }

  async #open(uuid: string, chunks: () => ChunkRef[]): Promise<void> {
    const handle = await this.#openHandle().catch(() => null);
    if (!handle) return;
    if (this.#isClosed) return handle.close();
    this.file = new RowFile(handle, uuid, this.#norm, chunks());
    this.file.onLost = () => this.onLost();
  }

  /** Writes a vectors chunk as it was read from the database, if its collection wants it. */
  async put(value: ArrayBuffer): Promise<void> {
    await inSlices(this.#putAll([value]));
  }

  /** The backend of that database, a plain object. */
  over(backend: Backend): Backend {
    const commit: Backend['commit'] = async (writes, vacant) => {
      // While the disk works.
      const putting = inSlices(this.#putAll(writes.flatMap((write) => ('value' in write ? write.value : []))));
      let isDone = false;
      try {
        await backend.commit(writes, vacant).catch((error) => {
          // On a full storage the file is the first thing to go.
          if (!isFull(error) || !this.file?.bytes) throw error;
          this.file.giveUp();
          return backend.commit(writes, vacant);
        });
        isDone = true;
      } finally {
        await putting;
        this.#remove(writes, isDone);
      }
    };
    const close = () => {
      this.#isClosed = true;
      this.file?.close();
      backend.close();
    };
    return { ...backend, commit, close };
  }

  /** What a commit has deleted; what it was to put, where it failed. */
  #remove(writes: readonly Write[], isDone: boolean): void {
    if (!this.file) return;
    const gone = writes.filter((write) => write.store === 'chunks' && (isDone ? 'delete' in write : 'value' in write));
    this.file.remove(gone.map(({ key }) => key));
    if (gone.length > 0) void inSlices(this.file.tidy());
  }

  *#putAll(values: readonly ArrayBuffer[]): Sliced<void> {
    if (!this.file) return;
    for (const value of values) {
      const view = new DataView(value);
      if (view.getUint8(5) === KINDS.vectors && this.wanted.has(view.getUint32(8, true))) yield* this.file.put(value);
    }
  }
}
