// The rows as the scan reads them: groups of 64 rows, in pieces of 16 bytes that lie as its layout wants, in buffers of bounded size. Owns
// those buffers and their growth: the last shard doubles by a copy on the device, full shards are never touched again.
import { NO_ROOM } from '../kernel.ts';
import type { Room } from './budget.ts';
import type { RowFormat } from './pipelines.ts';

export const GROUP_ROWS = 64;
/** Also the most that one growth copies. */
const SHARD_BYTES_MAX = 2 ** 30;
const SHARD_BYTES_MIN = 2 ** 20;
const UPLOAD_BYTES = 8 << 20;

/** There is no memory for the rows: the budget's end, or the GPU's. */
export class NoRoom extends Error {
  override readonly name = NO_ROOM;
}

export interface ShardsOptions {
  /** @default 2 ** 30 */
  shardBytesMax?: number;
  room?: Room;
}

/** Where the rows come from. */
export interface RowSource extends RowFormat {
  readonly rowCount: number;
  /**
   * Writes rows first .. end-1, the first of a group and at most all 64 of it. `words` has shape (pieces, 64, 4), or (64, pieces,
   * 4) where rows lie one after the other; `factors` (factorCount, 64); both are zero.
   */
  write(first: number, end: number, words: Uint32Array<ArrayBuffer>, factors: Float32Array<ArrayBuffer>): void;
}

/** In the words of a group: how far it is from one piece of a row to the next, and from a row to the next. */
export function stridesOf({ layout, pieces }: RowFormat): { piece: number; row: number } {
  return layout === 'row-major' ? { piece: 4, row: pieces * 4 } : { piece: GROUP_ROWS * 4, row: 4 };
}

/** A part of a shard that one dispatch scans. */
export interface Slice {
  bindGroup: GPUBindGroup;
  /** Where in the ranges' buffer it says which groups these are. */
  rangeOffset: number;
  groupCount: number;
}

interface Shard {
  firstGroup: number;
  groupCount: number;
  groupCapacity: number;
  /** (groups, pieces, 64, 4 words), or (groups, 64, pieces, 4 words) */
  rows: GPUBuffer;
  /** (groups, factorCount, 64) */
  factors: GPUBuffer;
}

export interface Shards {
  /** Bytes of a group of 64 rows. */
  readonly groupBytes: number;
  readonly bytes: number;
  /** All groups, in order, no slice with more groups than that. */
  slices(groupsMax: number): readonly Slice[];
  /** Copies the rows first .. end-1 of the source, of which those before `first` are here. */
  upload(first: number, end: number): Promise<void>;
  close(): void;
}

export function createShards(
  device: GPUDevice,
  source: RowSource,
  layout: GPUBindGroupLayout,
  { shardBytesMax = SHARD_BYTES_MAX, room }: ShardsOptions = {},
): Shards {
  const { pieces, factorCount } = source;
  const groupWords = pieces * 4 * GROUP_ROWS;
  const rowsBytes = groupWords * 4;
  const factorsBytes = factorCount * GROUP_ROWS * 4;
  const { maxBufferSize, maxStorageBufferBindingSize, minUniformBufferOffsetAlignment: rangeStride } = device.limits;
  const groupsMax = Math.floor(Math.min(shardBytesMax, maxBufferSize, maxStorageBufferBindingSize) / rowsBytes);
  if (groupsMax === 0) throw new Error(`64 rows of ${pieces * 16} bytes exceed this GPU's buffers`);
  const uploadGroups = Math.max(1, Math.floor(UPLOAD_BYTES / rowsBytes));
  const list: Shard[] = [];
  /** Bytes of a shard that is being allocated: others must not count on them. */
  let allocating = 0;
  let ranges: GPUBuffer | null = null;
  let closed = false;
  let sliced: { groupsMax: number; slices: readonly Slice[] } | null = null;

  async function upload(first: number, end: number): Promise<void> {
    // A group that was not full is written again, with its old rows.
    const endGroup = Math.ceil(end / GROUP_ROWS);
    const last = list.at(-1);
    const more = endGroup - (last ? last.firstGroup + last.groupCapacity : 0);
    // Before the first of several shards is filled in vain.
    if (more > 0 && room?.take(more * (rowsBytes + factorsBytes)) === false)
      throw noRoom(more, 'the budget is used up');
    for (let group = Math.floor(first / GROUP_ROWS); group < endGroup; ) {
      const shard = await shardFor(group, endGroup);
      const inShard = group - shard.firstGroup;
      const count = Math.min(uploadGroups, endGroup - group, shard.groupCapacity - inShard);
      if (closed) return;
      writeGroups(shard, group, count, end);
      shard.groupCount = Math.max(shard.groupCount, inShard + count);
      sliced = null;
      group += count;
      // Staging memory is the browser's: let it drain, and let queries in between.
      if (group < endGroup) await device.queue.onSubmittedWorkDone();
    }
  }

  /** The last shard, with room for `group`: grown, or begun. */
  async function shardFor(group: number, endGroup: number): Promise<Shard> {
    const last = list.at(-1);
    if (last && group < last.firstGroup + last.groupCapacity) return last;
    const isFull = !last || last.groupCapacity >= groupsMax;
    const firstGroup = isFull ? group : last.firstGroup;
    const needed = endGroup - firstGroup;
    const doubled = isFull ? Math.ceil(SHARD_BYTES_MIN / rowsBytes) : last.groupCapacity * 2;
    // Nobody gives way for what is not needed yet.
    const isFree = room?.hasFree(doubled * (rowsBytes + factorsBytes)) !== false;
    const shard = await createShard(firstGroup, Math.min(groupsMax, Math.max(needed, isFree ? doubled : 0)));
    if (closed) {
      destroy(shard);
      throw noRoom(shard.groupCapacity, 'closed');
    }
    if (isFull) list.push(shard);
    else {
      copyShard(last, shard);
      list[list.length - 1] = shard;
    }
    allocating = 0;
    return shard;
  }

  async function createShard(firstGroup: number, groupCapacity: number): Promise<Shard> {
    // Not empty, also where no metric looks at it.
    const sizes = { rows: groupCapacity * rowsBytes, factors: Math.max(16, groupCapacity * factorsBytes) };
    const bytes = sizes.rows + sizes.factors;
    if (room?.take(bytes) === false) throw noRoom(groupCapacity, 'the budget is used up');
    for (;;) {
      device.pushErrorScope('out-of-memory');
      device.pushErrorScope('validation');
      const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC;
      const rows = device.createBuffer({ label: 'rows', size: sizes.rows, usage });
      const factors = device.createBuffer({ label: 'factors', size: sizes.factors, usage });
      allocating = bytes;
      const errors = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
      const failure = errors.find((one) => one !== null);
      if (!failure) return { firstGroup, groupCount: 0, groupCapacity, rows, factors };
      destroy({ rows, factors });
      allocating = 0;
      if (closed || !room?.refused(bytes)) throw noRoom(groupCapacity, failure.message);
    }
  }

  function noRoom(groups: number, why: string): NoRoom {
    return new NoRoom(`the GPU has no room for ${groups * (rowsBytes + factorsBytes)} bytes: ${why}`);
  }

  function copyShard(from: Shard, to: Shard): void {
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(from.rows, 0, to.rows, 0, from.groupCount * rowsBytes);
    encoder.copyBufferToBuffer(from.factors, 0, to.factors, 0, from.groupCount * factorsBytes);
    device.queue.submit([encoder.finish()]);
    to.groupCount = from.groupCount;
    destroy(from);
  }

  function writeGroups(shard: Shard, firstGroup: number, count: number, endRow: number): void {
    const words = new Uint32Array(count * groupWords);
    const factors = new Float32Array(count * factorCount * GROUP_ROWS);
    for (let i = 0; i < count; i++) {
      const first = (firstGroup + i) * GROUP_ROWS;
      const end = Math.min(endRow, first + GROUP_ROWS);
      const factorsOfGroup = factors.subarray(i * factorCount * GROUP_ROWS);
      source.write(first, end, words.subarray(i * groupWords, (i + 1) * groupWords), factorsOfGroup);
    }
    const inShard = firstGroup - shard.firstGroup;
    device.queue.writeBuffer(shard.rows, inShard * rowsBytes, words);
    device.queue.writeBuffer(shard.factors, inShard * factorsBytes, factors);
  }

  function slices(most: number): readonly Slice[] {
    if (sliced?.groupsMax === most) return sliced.slices;
    const parts = list.flatMap((shard) => {
      const offsets = Array.from({ length: Math.ceil(shard.groupCount / most) }, (_, i) => i * most);
      return offsets.map((offset) => ({ shard, offset, groupCount: Math.min(most, shard.groupCount - offset) }));
    });
    const words = new Uint32Array((parts.length * rangeStride) / 4);
    for (const [i, { shard, offset, groupCount }] of parts.entries()) {
      words.set([shard.firstGroup + offset, groupCount, offset, pieces], (i * rangeStride) / 4);
    }
    ranges?.destroy();
    ranges = device.createBuffer({
      label: 'ranges',
      size: Math.max(16, words.byteLength),
      usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
    });
    device.queue.writeBuffer(ranges, 0, words);
    const bindGroups = new Map(list.map((shard) => [shard, bind(ranges!, shard)]));
    sliced = {
      groupsMax: most,
      slices: parts.map(({ shard, groupCount }, i) => ({
        bindGroup: bindGroups.get(shard)!,
        rangeOffset: i * rangeStride,
        groupCount,
      })),
    };
    return sliced.slices;
  }

  function bind(range: GPUBuffer, { rows, factors }: Shard): GPUBindGroup {
    const resources = [{ buffer: range, size: 16 }, { buffer: rows }, { buffer: factors }];
    return device.createBindGroup({
      layout,
      entries: resources.map((resource, binding) => ({ binding, resource })),
    });
  }

  return {
    groupBytes: rowsBytes + factorsBytes,
    get bytes() {
      return list.reduce((sum, { rows, factors }) => sum + rows.size + factors.size, allocating + (ranges?.size ?? 0));
    },
    slices,
    upload,
    close() {
      closed = true;
      for (const shard of list) destroy(shard);
      list.length = 0;
      ranges?.destroy();
      ranges = null;
    },
  };
}

function destroy({ rows, factors }: Pick<Shard, 'rows' | 'factors'>): void {
  rows.destroy();
  factors.destroy();
}
