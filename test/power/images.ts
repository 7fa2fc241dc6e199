// What the disk holds when the power goes: read from the shim's log, what was synced by then, and of the rest what a model of
// disks leaves. Files are made, renamed and deleted in order, as file systems with a journal do it.
import type { SeededRandom } from '../../src/structures/random.ts';

/** What becomes of the writes to a file that were not synced: none is kept, the first ones, the first ones and a part of the next, or any of them. */
export const MODELS = ['none', 'prefix', 'torn', 'reordered'] as const;
export type LossModel = (typeof MODELS)[number];

const WRITE = 1;
const SYNC = 2;
const TRUNCATE = 3;
const RENAME = 4;
const UNLINK = 5;

export interface DiskEvent {
  /** Nanoseconds of the monotonic clock. */
  time: bigint;
  operation: number;
  path: string;
  /** Of a write or a truncation; of a sync when it began. */
  offset: bigint;
  /** Of a write; of a rename the new path. */
  data: Buffer;
}

const HEADER_BYTES = 32;

export function readDiskLog(log: Buffer): DiskEvent[] {
  const events: DiskEvent[] = [];
  for (let at = 0; at + HEADER_BYTES <= log.length; ) {
    const pathEnd = at + HEADER_BYTES + log.readUInt32LE(at + 12);
    const end = pathEnd + Number(log.readBigUInt64LE(at + 24));
    events.push({
      time: log.readBigUInt64LE(at),
      operation: log.readUInt32LE(at + 8),
      path: log.toString('utf8', at + HEADER_BYTES, pathEnd),
      offset: log.readBigUInt64LE(at + 16),
      data: log.subarray(pathEnd, end),
    });
    at = end;
  }
  return events;
}

/** A file's bytes; grows in doublings, because most writes append. */
class Bytes {
  private buffer = Buffer.alloc(1 << 12);
  private length = 0;

  apply({ operation, offset, data }: DiskEvent): void {
    const start = Number(offset);
    const end = operation === TRUNCATE ? start : start + data.length;
    if (end > this.buffer.length) {
      const larger = Buffer.alloc(2 * end);
      this.buffer.copy(larger);
      this.buffer = larger;
    }
    if (operation === WRITE) data.copy(this.buffer, start);
    else this.buffer.fill(0, start, Math.max(start, this.length));
    this.length = operation === TRUNCATE ? end : Math.max(end, this.length);
  }

  get content(): Buffer {
    return this.buffer.subarray(0, this.length);
  }
}

interface OpenFile {
  durable: Bytes;
  unsynced: DiskEvent[];
}

/** Files by path, as a disk of that model holds them when the power goes at `time`. */
export function imageAt(
  events: readonly DiskEvent[],
  time: bigint,
  model: LossModel,
  random: SeededRandom,
): Map<string, Buffer> {
  const files = new Map<string, OpenFile>();
  for (const event of events) {
    if (event.time > time) break;
    const { operation, path } = event;
    const file = files.get(path);
    if (operation === WRITE || operation === TRUNCATE) {
      const known = file ?? { durable: new Bytes(), unsynced: [] };
      known.unsynced.push(event);
      files.set(path, known);
    } else if (!file)
      continue; // a folder
    else if (operation === SYNC) {
      // What was written while it went on may have missed it.
      const later = file.unsynced.findIndex((write) => write.time > event.offset);
      const covered = file.unsynced.splice(0, later < 0 ? file.unsynced.length : later);
      for (const write of covered) file.durable.apply(write);
    } else {
      files.delete(path);
      if (operation === RENAME) files.set(event.data.toString(), file);
      else if (operation !== UNLINK) throw new Error(`unknown operation ${operation}`);
    }
  }
  for (const { durable, unsynced } of files.values())
    for (const write of survivors(unsynced, model, random)) durable.apply(write);
  return new Map([...files].map(([path, { durable }]) => [path, durable.content]));
}

function survivors(unsynced: readonly DiskEvent[], model: LossModel, random: SeededRandom): DiskEvent[] {
  if (model === 'none') return [];
  if (model === 'reordered') return unsynced.filter(() => random.below(2) === 0);
  const count = random.below(unsynced.length + 1);
  const kept = unsynced.slice(0, count);
  const next = unsynced[count];
  if (model === 'torn' && next?.operation === WRITE)
    kept.push({ ...next, data: next.data.subarray(0, random.below(next.data.length)) });
  return kept;
}

/** From when to when LevelDB had turned to a new log, and the old one, not all of it synced, was not yet a table. */
export function turns(events: readonly DiskEvent[]): { from: bigint; to: bigint }[] {
  const logs = new Map<string, { from: bigint; to: bigint }>();
  let last: string | undefined;
  for (const { operation, path, time } of events) {
    if (!path.endsWith('.log')) continue;
    if (operation === UNLINK && logs.has(path)) logs.get(path)!.to = time;
    if (operation !== WRITE || path === last) continue;
    if (last) logs.set(last, { from: time, to: time });
    last = path;
  }
  return [...logs.values()];
}
