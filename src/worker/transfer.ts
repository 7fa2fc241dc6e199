// What `transfer.js` has: exports and imports under way. Loaded when the first begins (see assets.ts). Each is one long call, which ends it when it is cancelled or the page dies, and many short
// ones that carry its bytes: the page pulls blocks of an export, and pushes pieces of a file to import. They are numbered, so
// that an engine which took the database over in the middle is found out and never goes on with another state.
import { PiramidError } from '../errors.ts';
import type { ExportedBlock } from '../protocol.ts';
import { batchBytes, joinBatches, type RowBatch } from '../store/batch.ts';
import { BlockCutter, invalidFile } from '../store/exchange.ts';
import { Export } from '../store/export.ts';
import { Import } from '../store/import.ts';
import { codesBy } from '../store/recoding.ts';
import { COMPACTION_SLICE_BYTES } from '../store/schema.ts';
import type { CoderFor, Store } from '../store/store.ts';
import { inSlices } from '../structures/slices.ts';
import type { ImportOptions, Progress } from '../types.ts';
import { FileChecker, type ImportedRows } from './imported.ts';
import type { Languages } from './languages.ts';
import type { postingsOf } from './postings.ts';
import type { Queue } from './queue.ts';

/** A worker takes the file of its own release only. */
export const release = `transfer.js ${PIRAMID_BUILD}`;

/** What is around it in the worker, and must be that and no copy. */
export interface Surroundings {
  store: Store;
  writes: Queue;
  coderFor: CoderFor;
  languages: Pick<Languages, 'ready'>;
  postingsOf: typeof postingsOf;
}

/** What is under way, by the name that the page gave it. */
export class Transfers {
  readonly #surroundings: Surroundings;
  readonly #exports = new Map<string, ExportSession>();
  readonly #imports = new Map<string, ImportSession>();

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings;
  }

  /** Of collections by their names, or all. Call only from a write-queue job: no write is half done there. */
  export(wanted: readonly string[] | null): Export {
    return this.#surroundings.store.export(Export, this.#collectionIds(wanted));
  }

  /** Settles when the last block of `source` has been fetched. */
  async runExport(name: string, source: Promise<Export>, signal: AbortSignal): Promise<void> {
    const session = new ExportSession(source);
    this.#exports.set(name, session);
    try {
      await session.settled(signal);
    } finally {
      this.#exports.delete(name);
      await session.close();
    }
  }

  exportBlock(name: string, number: number): Promise<ExportedBlock> {
    const session = this.#exports.get(name);
    if (!session || session.number !== number) throw interrupted('export');
    return session.next();
  }

  /** Settles when all is imported; what was written is gone again when it rejects. */
  async runImport(name: string, signal: AbortSignal): Promise<void> {
    const session = new ImportSession(this.#surroundings);
    this.#imports.set(name, session);
    try {
      await session.settled(signal);
    } finally {
      this.#imports.delete(name);
      await session.close();
    }
  }

  importPiece(
    name: string,
    number: number,
    bytes: Uint8Array,
    rename?: ImportOptions['rename'],
  ): Promise<Progress & { collections: string[] }> {
    const session = this.#imports.get(name);
    if (!session || session.number !== number) throw interrupted('import');
    return session.push(bytes, rename);
  }

  /** In the queue of writes. */
  finishImport(name: string): Promise<void> {
    const session = this.#imports.get(name);
    if (!session) throw interrupted('import');
    return session.finish();
  }

  #collectionIds(wanted: readonly string[] | null): number[] {
    const { collections } = this.#surroundings.store;
    if (!wanted) return collections.map(({ id }) => id);
    return wanted.map((name) => {
      const stored = collections.find((collection) => collection.name === name);
      if (!stored) throw new PiramidError('NOT_FOUND', `collection "${name}" does not exist`);
      return stored.id;
    });
  }
}

function interrupted(what: string): PiramidError {
  return new PiramidError(
    'WORKER_FAILED',
    `the ${what} has ended, or another tab took the database over in the middle of it; begin it again`,
  );
}

/** What settles once, by itself or by a signal. */
class Session {
  /** Of the block or piece that comes next. */
  number = 0;
  readonly #done: Promise<void>;
  protected succeed!: () => void;
  protected fail!: (error: unknown) => void;

  constructor() {
    this.#done = new Promise((resolve, reject) => {
      this.succeed = resolve;
      this.fail = reject;
    });
  }

  async settled(signal: AbortSignal): Promise<void> {
    const onAbort = () => this.cancel();
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    try {
      await this.#done;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  protected cancel(): void {
    this.fail(new PiramidError('ABORTED', 'the call was cancelled by its signal'));
  }
}

class ExportSession extends Session {
  readonly #source: Promise<Export>;

  constructor(source: Promise<Export>) {
    super();
    this.#source = source;
    source.catch((error) => this.fail(error));
  }

  async next(): Promise<ExportedBlock> {
    this.number++;
    try {
      const source = await this.#source;
      const block = await source.next();
      if (!block) this.succeed();
      return { block: block && new Uint8Array(block), done: source.rowsDone, total: source.rowsTotal };
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  async close(): Promise<void> {
    (await this.#source.catch(() => null))?.close();
  }
}

class ImportSession extends Session {
  readonly #surroundings: Surroundings;
  readonly #target: Import;
  readonly #cutter = new BlockCutter();
  readonly #file = new FileChecker();
  /** Rows of one collection on their way to a slice. */
  #waiting: { index: number; batches: RowBatch[]; bytes: number } = { index: 0, batches: [], bytes: 0 };
  #rowsDone = 0;
  /** Of collections, as the page gave it with the first piece. */
  #rename: ImportOptions['rename'];
  /** The piece that is being worked on. */
  #working: Promise<unknown> = Promise.resolve();
  #state: 'open' | 'finishing' | 'ended' = 'open';

  constructor(surroundings: Surroundings) {
    super();
    this.#surroundings = surroundings;
    this.#target = surroundings.store.import(Import);
  }

  push(
    bytes: Uint8Array,
    rename: ImportOptions['rename'] = this.#rename,
  ): Promise<Progress & { collections: string[] }> {
    this.number++;
    this.#rename = rename;
    const work = this.#working.then(() => this.#work(bytes));
    this.#working = work.catch((error) => {
      this.#state = 'ended';
      this.fail(error);
    });
    return work;
  }

  /** Runs in the queue of writes. */
  async finish(): Promise<void> {
    try {
      this.#refuseEnded();
      if (!this.#file.isWhole || this.#cutter.rest > 0)
        throw this.#located(
          invalidFile(this.#file.isWhole ? 'there is more behind its end' : 'the file is cut off here'),
        );
      await this.#stageWaiting();
      this.#refuseEnded();
      this.#state = 'finishing';
      await this.#surroundings.store.finishImport(this.#target, this.#rowsDone);
      this.succeed();
    } catch (error) {
      this.fail(error);
      throw error;
    }
  }

  /** Deletes what was staged, unless it is a part of the database. */
  async close(): Promise<void> {
    this.#state = 'ended';
    await this.#working;
    const isLeftOver = this.#target.staged.size > 0;
    this.#target.abandon();
    if (isLeftOver) await this.#surroundings.writes.run(() => this.#surroundings.store.sweep()).catch(() => {}); // else the next writes do
  }

  /** What is being made durable is not cancelled any more. */
  protected override cancel(): void {
    if (this.#state === 'open') super.cancel();
  }

  async #work(bytes: Uint8Array): Promise<Progress & { collections: string[] }> {
    this.#refuseEnded();
    this.#cutter.push(bytes);
    for (;;) {
      const isNew = this.#file.head === null;
      const rows = this.#checked(() => {
        const block = this.#cutter.next();
        return block === null ? undefined : this.#file.take(block);
      });
      if (rows === undefined) break;
      const { head } = this.#file;
      if (isNew) {
        head!.collections = renamed(head!.collections, this.#rename ?? {});
        await this.#turn(() => this.#target.begin(head!.collections));
      }
      if (rows) await this.#add(rows);
    }
    const collections = this.#file.head?.collections ?? [];
    return {
      done: this.#rowsDone,
      total: collections.reduce((sum, { count }) => sum + count, 0),
      collections: collections.map(({ name }) => name),
    };
  }

  async #add({ index, batch }: ImportedRows): Promise<void> {
    if (this.#waiting.index !== index) await this.#turn(() => this.#stageWaiting());
    this.#waiting.index = index;
    this.#waiting.batches.push(batch);
    this.#waiting.bytes += batchBytes(batch);
    if (this.#waiting.bytes >= COMPACTION_SLICE_BYTES) await this.#turn(() => this.#stageWaiting());
    this.#rowsDone += batch.rowCount;
  }

  async #stageWaiting(): Promise<void> {
    const { index, batches } = this.#waiting;
    this.#waiting = { index, batches: [], bytes: 0 };
    if (batches.length === 0) return;
    const { config, count } = this.#file.head!.collections[index]!;
    const texts = batches.flatMap((batch) => batch.texts);
    const { coderFor, languages, postingsOf } = this.#surroundings;
    await languages.ready(config.analysis ?? 0);
    const rows = await inSlices(joinBatches(batches, postingsOf(texts, batches[0]!.firstRow, config)));
    const coder = coderFor(config, count);
    const { vectors } = rows;
    rows.codes = vectors && coder && (await inSlices(codesBy(coder, vectors.values, vectors.dimension)));
    await this.#target.stage(index, rows);
  }

  #turn(job: () => Promise<void>): Promise<void> {
    return this.#surroundings.writes.run(async () => {
      this.#refuseEnded();
      await job();
    });
  }

  #refuseEnded(): void {
    if (this.#state === 'ended')
      throw new PiramidError('ABORTED', 'the import has been cancelled; nothing was imported');
  }

  /** Whatever goes wrong with the file is the file's fault, and nobody else's. */
  #checked<T>(look: () => T): T {
    try {
      return look();
    } catch (error) {
      throw this.#located(error);
    }
  }

  #located(error: unknown): PiramidError {
    if (error instanceof PiramidError && error.code === 'NEWER_FORMAT') return error;
    const why = error instanceof Error ? error.message : String(error);
    return new PiramidError('INVALID_FILE', `block ${this.#file.block}: ${why}. Nothing was imported.`, {
      cause: error,
    });
  }
}

/** Collections of a file under the names that they are to have. */
function renamed<C extends { name: string }>(collections: C[], rename: NonNullable<ImportOptions['rename']>): C[] {
  const missing = new Set(Object.keys(rename));
  const names = new Set<string>();
  const all = collections.map((collection) => {
    missing.delete(collection.name);
    const name = Object.hasOwn(rename, collection.name) ? rename[collection.name]! : collection.name;
    if (names.has(name)) throw new PiramidError('CONFLICT', `rename: two collections would be called "${name}"`);
    names.add(name);
    return { ...collection, name };
  });
  for (const name of missing) throw new PiramidError('NOT_FOUND', `rename: the file has no collection "${name}"`);
  return all;
}
