// What is durable, and how it changes: the manifest and its generations, the log, and the commits that move both. Owns the
// numbers of chunks and log entries, and what is deleted when. Knows nothing of what rows hold.
import { PiramidError } from '../errors.ts';
import { atOnce, inSlices, type Sliced } from '../structures/slices.ts';
import { type Answered, countOf, decodeOrigin, encodeOrigin, type Origin, withAnswer } from './answered.ts';
import { type Backend, bytesOf, isFull, type Put, type Write } from './backend.ts';
import { type ChunkValue, encodeLogEntry, type LogEntry, puts } from './batch.ts';
import { type DamageList, ifCorrupt } from './damage.ts';
import { encodeBlock } from './format.ts';
import { damageOf, emptyManifest, type Manifest, manifestWrites, readManifest, TWICE_VERSION } from './manifest.ts';
import {
  BALLAST_BYTES,
  BALLAST_KEY,
  FORMAT_READER,
  FORMAT_VERSION,
  LOG_BYTES_LONG,
  LOG_BYTES_MAX,
  LOG_ENTRIES_MAX,
} from './schema.ts';

/** Of one call for random bytes. */
const RANDOM_BYTES_MAX = 65_536;

export class Journal {
  readonly backend: Backend;
  readonly #damage: DamageList;
  #current: Manifest;
  #nextLogKey: number;
  #logBytes = 0;
  #committedBytes = 0;
  /** The last commit failed. Where the connection was lost, it may have arrived all the same. */
  #inDoubt = false;
  /** The error of the write that found the storage full: from then on nothing but deletions is written. */
  full: PiramidError | null = null;
  onFull: (reason: PiramidError | null) => void = () => {};
  /** Bytes of the reserve that a full storage uses up. Null until something has been written: it may have been used up before. */
  #reserve: number | null = null;
  /** Of both copies; 0 until somebody asks. */
  #manifestBytes = 0;
  /** Garbage that somebody needs still, by chunk key: how many do. */
  readonly #held = new Map<number, number>();

  #answered: readonly Answered[];
  /** Of the write under way. */
  #origin: Origin | null = null;

  private constructor(backend: Backend, damage: DamageList, manifest: Manifest) {
    this.backend = backend;
    this.#damage = damage;
    this.#current = manifest;
    this.#answered = manifest.answered ?? [];
    this.#nextLogKey = manifest.logStart;
  }

  /** Reads the manifest. Throws `CORRUPT`, `NEWER_FORMAT`; changes nothing then. */
  static async open(backend: Backend, damage: DamageList): Promise<Journal> {
    const { manifest, damaged } = await readManifest(backend);
    if (!manifest || (damaged && manifest.version < TWICE_VERSION)) await refuseOrphans(backend, manifest);
    if (damaged) damage.note(damaged);
    const journal = new Journal(backend, damage, manifest ?? emptyManifest());
    // What an opener before wrote ahead, and no manifest took up.
    const keys = await backend.keys('chunks');
    journal.#waste(keys.filter((key) => key >= journal.manifest.nextChunk));
    return journal;
  }

  /** Reads the manifest again, to see whether both of its copies are whole. The next one mends even both. */
  async check(): Promise<void> {
    const noneIsWhole = (error: unknown) => ({ damaged: damageOf(0, ifCorrupt(error).message) });
    const { damaged } = await readManifest(this.backend).catch(noneIsWhole);
    if (damaged) this.#damage.note(damaged);
  }

  get manifest(): Manifest {
    return this.#current;
  }

  /** Bytes handed to the backend since the journal was opened. */
  get bytesWritten(): number {
    return this.#committedBytes;
  }

  /** How far writes are. Neither number ever goes back. */
  get position(): { generation: number; log: number } {
    return { generation: this.#current.generation, log: this.#nextLogKey };
  }

  /** Whether the log is long enough to be folded once there is time for it. */
  get isLong(): boolean {
    return this.#logBytes >= LOG_BYTES_LONG || this.isTooLong;
  }

  /** Whether it is to be folded at once. */
  get isTooLong(): boolean {
    return this.#logBytes >= LOG_BYTES_MAX || this.#nextLogKey - this.#current.logStart >= LOG_ENTRIES_MAX;
  }

  /** Counts an entry that was there when the database was opened. `origin`: its section, where it has one. */
  noteLogEntry(key: number, bytes: number, origin?: Uint8Array): void {
    this.#nextLogKey = key + 1;
    this.#logBytes += bytes;
    if (!origin) return;
    const write = decodeOrigin(origin);
    this.#answered = withAnswer(this.#answered, write.origin, write.count);
  }

  /**
   * Runs one write, and remembers it by its origin in the transaction that it makes; null: by nothing. If it has been
   * applied already, it is not run: the result is `again` of how many records it changed. Not two at a time.
   */
  async once<T>(origin: Origin | null, run: () => Promise<T>, again: (count: number) => T): Promise<T> {
    const count = origin ? countOf(this.#answered, origin) : undefined;
    if (count !== undefined) return again(count);
    this.#origin = origin;
    try {
      return await run();
    } finally {
      this.#origin = null;
    }
  }

  /** Makes one log entry durable. `meanwhile`, which never fails, begins as the disk does. */
  async append(
    collection: number,
    entry: Omit<LogEntry, 'origin'>,
    meanwhile: () => Promise<void> = async () => {},
  ): Promise<void> {
    const { batch, deleted, patch } = entry;
    const count = batch?.rowCount ?? patch?.rows.length ?? deleted?.length ?? 0;
    const origin = this.#origin && encodeOrigin(this.#origin, count);
    const write = await inSlices(this.#logWrite(collection, { ...entry, origin }));
    if (batch || patch) this.#refuseIfFull();
    else if (this.full) await this.#freeBallast();
    const committing = this.#commit([write]);
    const beside = meanwhile();
    await committing;
    this.noteLogEntry(write.key, write.value.byteLength, origin ?? undefined);
    if ((batch || patch) && this.#reserve === null) await this.#layBallast();
    await beside;
  }

  /**
   * A copy of the manifest as the next generation, to be changed and then given to `flip`. `adopted`: staged chunks that
   * its collections take up.
   */
  next(adopted: ReadonlySet<number> = new Set()): Manifest {
    const { generation, collections, garbage, logStart } = this.#current;
    return {
      ...this.#current,
      version: FORMAT_VERSION,
      reader: FORMAT_READER,
      generation: generation + 1,
      collections: [...collections],
      garbage: {
        chunks: garbage.chunks.filter((key) => this.#held.has(key) && !adopted.has(key)),
        logFrom: logStart,
      },
    };
  }

  /** Leaves the log behind: what it holds is in the chunks of `next`. */
  trimLog(next: Manifest): void {
    next.logStart = this.#nextLogKey;
  }

  /**
   * Makes `next` the manifest, once `values` are durable, and deletes what the generation before the last needed in the same
   * commit. `deletions`: rows of collections that are deleted in it as well, by log entries. `count`: how many records the
   * write under way changes; null: this is not yet what makes it durable.
   */
  async flip(
    next: Manifest,
    values: readonly ChunkValue[],
    deletions: readonly { collection: number; rows: readonly number[] }[] = [],
    count: number | null = 0,
  ): Promise<void> {
    if (values.length > 0) await this.#writeAhead(values);
    else if (this.full) await this.#freeBallast();
    const answered = this.#origin && count !== null ? withAnswer(this.#answered, this.#origin, count) : this.#answered;
    if (answered.length > 0) next.answered = answered;
    const isTrimmed = next.logStart === this.#nextLogKey;
    const entries = deletions
      .filter(({ rows }) => rows.length > 0)
      .map(({ collection, rows }, i) => atOnce(this.#logWrite(collection, { deleted: rows }, this.#nextLogKey + i)));
    // The first one lays by what there is to free when the storage is full.
    const isFirst = this.#current.generation === 0;
    const reserve = isFirst ? [ballast(BALLAST_BYTES)] : [];
    const manifest = manifestWrites(next);
    try {
      await this.#commit([...this.#garbageDeletes(), ...entries, ...reserve, ...manifest]);
    } catch (error) {
      this.#waste(values.map(({ key }) => key));
      throw error;
    }
    this.#manifestBytes = bytesOf(manifest);
    this.#current = next;
    this.#damage.forget('manifest');
    this.#answered = answered;
    for (const { key, value } of entries) this.noteLogEntry(key, value.byteLength);
    if (isTrimmed) this.#logBytes = 0; // what is left of it cannot be folded
    if (isFirst) this.#reserve = BALLAST_BYTES;
    else if ((this.#reserve ?? 0) < this.#reserveNeeded) await this.#layBallast();
  }

  /**
   * Writes chunks that are in no collection yet, and holds them: they are garbage until a later manifest adopts them, or somebody
   * lets them go by `release`.
   */
  async stage({ nextChunk }: Manifest, values: readonly ChunkValue[]): Promise<void> {
    await this.#writeAhead(values);
    const keys = values.map(({ key }) => key);
    const { garbage } = this.#current;
    this.#current = { ...this.#current, nextChunk, garbage: { ...garbage, chunks: [...garbage.chunks, ...keys] } };
    this.hold(keys);
  }

  /** Chunks are durable before a manifest says so. Should there be none that does, they are garbage, of this opener or the next one. */
  async #writeAhead(values: readonly ChunkValue[]): Promise<void> {
    this.#refuseIfFull();
    try {
      await this.#commit(puts(values));
    } catch (error) {
      this.#waste(values.map(({ key }) => key));
      throw error;
    }
  }

  /**
   * Chunks that no manifest takes up. Their keys are never used again: what deletes them may be made after another opener has taken the
   * database over, because transactions that only delete have no fence.
   */
  #waste(keys: readonly number[]): void {
    const { garbage, nextChunk } = this.#current;
    this.#current = {
      ...this.#current,
      nextChunk: keys.reduce((next, key) => Math.max(next, key + 1), nextChunk),
      garbage: { ...garbage, chunks: [...garbage.chunks, ...keys] },
    };
  }

  /** Keeps chunks from being deleted, though they may be or become garbage. Each `hold` wants its `release`. */
  hold(keys: Iterable<number>): void {
    for (const key of keys) this.#held.set(key, (this.#held.get(key) ?? 0) + 1);
  }

  release(keys: Iterable<number>): void {
    for (const key of keys) {
      const holders = (this.#held.get(key) ?? 0) - 1;
      if (holders > 0) this.#held.set(key, holders);
      else this.#held.delete(key);
    }
  }

  *#logWrite(collection: number, entry: LogEntry, key = this.#nextLogKey): Sliced<Put> {
    return { store: 'log', key, value: yield* encodeLogEntry(collection, key, entry) };
  }

  /**
   * Whether there is room again: deletes what is garbage, and writes what is kept in reserve, so that deletions can be
   * written when there is no room left. If so, writes are taken again.
   */
  async retry(): Promise<boolean> {
    try {
      const deletes = this.#garbageDeletes();
      // By themselves, because a manifest might find no room.
      if (this.full && deletes.length > 0) await this.#commit(deletes);
      await this.backend.commit([ballast(this.#reserveNeeded)]);
    } catch (error) {
      // One that was full, and cannot even be read, has not come back.
      if (isFull(error) || (this.full && error instanceof PiramidError && error.code === 'STORAGE_FAILED'))
        return false;
      throw error;
    }
    this.#reserve = this.#reserveNeeded;
    if (this.full) this.onFull(null);
    this.full = null;
    return true;
  }

  #garbageDeletes(): Write[] {
    const { garbage, logStart } = this.#current;
    const deletes: Write[] = [];
    for (const key of garbage.chunks) if (!this.#held.has(key)) deletes.push({ store: 'chunks', key, delete: true });
    for (let key = garbage.logFrom; key < logStart; key++) deletes.push({ store: 'log', key, delete: true });
    return deletes;
  }

  /** In a transaction of its own: what one frees, it cannot use itself. */
  async #freeBallast(): Promise<void> {
    await this.backend.commit([{ store: 'chunks', key: BALLAST_KEY, delete: true }]);
    this.#reserve = 0;
  }

  /** Room for two more manifests, by which a collection is deleted: twice the last one. */
  get #reserveNeeded(): number {
    this.#manifestBytes ||= bytesOf(manifestWrites(this.#current));
    let bytes = BALLAST_BYTES;
    while (bytes < 2 * this.#manifestBytes) bytes *= 2;
    return bytes;
  }

  /** Where there was room for what has just been written, and it is missing or small. What was written stands, whatever comes of it. */
  async #layBallast(): Promise<void> {
    if (this.full) return;
    const needed = this.#reserveNeeded;
    this.#reserve = 0;
    try {
      const found = (await this.backend.read('chunks', BALLAST_KEY))?.byteLength ?? 0;
      if (found < needed) await this.backend.commit([ballast(needed)]);
      this.#reserve = Math.max(found, needed);
    } catch {} // the next manifest tries again
  }

  #refuseIfFull(): void {
    if (!this.full) return;
    throw new PiramidError(
      this.full.code,
      'the database takes no new records since the storage was full. Nothing was written, and everything is still searchable; delete records or free space, then call db.retryWrites().',
      { cause: this.full },
    );
  }

  async #commit(writes: readonly Write[]): Promise<void> {
    const all = this.#inDoubt ? [...(await this.#repairs(writes.some(isPut))), ...writes] : writes;
    if (all.some(isPut)) this.#inDoubt = true;
    try {
      if (all.length > 0) await this.backend.commit(all);
    } catch (error) {
      if (isFull(error) && !this.full) {
        this.full = error;
        this.onFull(error);
      }
      throw error;
    }
    if (all.some(isPut)) this.#inDoubt = false;
    for (const write of writes) if ('value' in write) this.#committedBytes += write.value.byteLength;
  }

  /**
   * Takes back what of a failed write may have arrived: its rows would stand beside the next ones. `isFenced`: the transaction has
   * a fence. Log entries are deleted in such a one alone, because the next opener uses their keys again.
   */
  async #repairs(isFenced: boolean): Promise<Write[]> {
    const { manifest } = await readManifest(this.backend);
    const isNewer = manifest !== undefined && manifest.generation > this.#current.generation;
    const entries = isFenced || isNewer ? await this.backend.keys('log') : [];
    return [
      ...entries
        .filter((key) => key >= this.#nextLogKey)
        .map((key) => ({ store: 'log', key, delete: true }) satisfies Write),
      ...(isNewer ? manifestWrites(this.#current) : []),
    ];
  }
}

function isPut(write: Write): boolean {
  return 'value' in write;
}

/** Random, because browsers compress values. */
function ballast(size: number): Write {
  const header = { kind: 'ballast', collection: 0, key: BALLAST_KEY, firstRow: 0, rowCount: 0 } as const;
  const bytes = new Uint8Array(size);
  for (let start = 0; start < size; start += RANDOM_BYTES_MAX)
    crypto.getRandomValues(bytes.subarray(start, start + RANDOM_BYTES_MAX));
  return { store: 'chunks', key: BALLAST_KEY, value: encodeBlock(header, bytes) };
}

/** Chunks that the manifest cannot know are those of a newer, lost manifest: going on would lose them in silence. */
async function refuseOrphans(backend: Backend, manifest: Manifest | undefined): Promise<void> {
  const newestChunk = (await backend.keys('chunks')).at(-1) ?? 0;
  if (newestChunk >= (manifest?.nextChunk ?? 1)) throw orphanError(`chunk ${newestChunk} is in no manifest`);
  if (!manifest && (await backend.keys('log')).length > 0) throw orphanError('there is a log but no manifest');
}

/** What an error says where going on would lose more than is lost. */
export const LOST_MANIFEST = 'the newest manifest is lost';

export function orphanError(why: string): PiramidError {
  return new PiramidError('CORRUPT', `${LOST_MANIFEST}: ${why}. Nothing was changed.`);
}
