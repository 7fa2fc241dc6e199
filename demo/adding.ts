// Files on their way in: read, cut, embedded and written a few at a time, in the order they came. Knows of each file how
// it stands, and can be stopped and go on; a file that cannot be read says why and does not stop the others.
import type { Collection } from 'piramid';
import { type DocumentInput, extract, ingest } from 'piramid/rag';
import { OWN_FILES } from './database.ts';
import type { DroppedFile } from './dropped-files.ts';
import { extractors, isTaken } from './kinds.ts';
import { isAbort, sentence } from './problems.ts';

export interface AddedFile {
  path: string;
  bytes: number;
  state: 'waiting' | 'adding' | 'added' | 'updated' | 'unchanged' | 'failed';
  /** Why it failed. */
  reason?: string;
}

/** Characters and files that go in together. */
const GROUP_CHARACTERS = 140_000;
const GROUP_FILES = 40;

export class Adding {
  readonly files: (AddedFile & { file: File })[] = [];
  /** Files of a folder that are of other kinds. */
  leftOut = 0;
  isRunning = false;
  isStopped = false;
  passagesPerSecond = 0;
  /** Absent until it can be estimated. */
  secondsLeft: number | undefined;
  /** Told after each change. */
  onChange: () => void = () => {};
  /** Told when documents are in that were not. */
  onAdded: () => void = () => {};
  private readonly passages: Collection;
  private stop = new AbortController();

  constructor(passages: Collection) {
    this.passages = passages;
  }

  /** Puts files at the end of the line. */
  async add(files: readonly DroppedFile[]): Promise<void> {
    if (!this.isRunning && !this.isStopped) this.clear();
    for (const { file, path, fromFolder } of files) {
      if (fromFolder && !isTaken(path)) this.leftOut++;
      else this.files.push({ file, path, bytes: file.size, state: 'waiting' });
    }
    this.onChange();
    await this.goOn();
  }

  /** Stops between two writes; what is in stays in. */
  cancel(): void {
    this.isStopped = true;
    this.stop.abort();
  }

  async goOn(): Promise<void> {
    if (this.isRunning) return;
    this.isRunning = true;
    this.isStopped = false;
    this.stop = new AbortController();
    const start = performance.now();
    const counted = { passages: 0, bytes: 0, toDo: sum(this.waiting()) };
    try {
      for (let group = this.waiting(); group.length > 0; group = this.waiting()) {
        await this.addGroup(group, start, counted);
        this.onAdded();
      }
    } catch (error) {
      for (const file of this.files) if (file.state === 'adding') file.state = 'waiting';
      if (!isAbort(error)) {
        this.isStopped = true;
        const next = this.waiting()[0];
        if (next) Object.assign(next, { state: 'failed', reason: sentence(error) });
      }
    } finally {
      this.isRunning = false;
      this.secondsLeft = undefined;
      this.onChange();
    }
  }

  /** Forgets files that are done with. */
  clear(): void {
    this.files.length = 0;
    this.leftOut = 0;
    this.isStopped = false;
    this.onChange();
  }

  private waiting(): (AddedFile & { file: File })[] {
    return this.files.filter(({ state }) => state === 'waiting');
  }

  private async addGroup(
    group: readonly (AddedFile & { file: File })[],
    start: number,
    counted: { passages: number; bytes: number; toDo: number },
  ): Promise<void> {
    const documents: DocumentInput[] = [];
    const byId = new Map<string, AddedFile>();
    let characters = 0;
    for (const entry of group) {
      if (characters >= GROUP_CHARACTERS || documents.length >= GROUP_FILES || byId.has(entry.path)) break;
      entry.state = 'adding';
      this.onChange();
      try {
        const document = {
          id: entry.path,
          ...(await extract(entry.file, { extractors })),
          metadata: { source: OWN_FILES },
        };
        characters += document.text.length;
        documents.push(document);
        byId.set(entry.path, entry);
      } catch (error) {
        Object.assign(entry, { state: 'failed', reason: sentence(error) });
        counted.bytes += entry.bytes;
      }
      this.stop.signal.throwIfAborted();
    }
    let written = 0;
    const result = await ingest(this.passages, documents, {
      signal: this.stop.signal,
      onProgress: ({ passages, id }) => {
        written = passages;
        const entry = byId.get(id);
        if (entry) counted.bytes += entry.bytes;
        const seconds = (performance.now() - start) / 1000;
        this.passagesPerSecond = (counted.passages + passages) / seconds;
        this.secondsLeft = counted.bytes > 0 ? (seconds / counted.bytes) * (counted.toDo - counted.bytes) : undefined;
        this.onChange();
      },
    });
    counted.passages += written;
    const states = { added: result.added, updated: result.updated, unchanged: result.skipped } as const;
    for (const [state, ids] of Object.entries(states)) {
      for (const id of ids) byId.get(id)!.state = state as keyof typeof states;
    }
    for (const { id, error } of result.failed) {
      Object.assign(byId.get(id)!, { state: 'failed', reason: sentence(error) });
    }
    this.onChange();
  }
}

function sum(files: readonly AddedFile[]): number {
  return files.reduce((total, { bytes }) => total + bytes, 0);
}
