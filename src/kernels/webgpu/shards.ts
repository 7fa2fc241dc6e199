// The rows as the scan reads them: groups of 64 rows, interleaved in 16-byte pieces, in buffers of bounded size. Owns
// those buffers and their growth: the last shard doubles by a copy on the device, full shards are never touched again.
import { inverseOf } from '../bounds.ts';
import { vectorNorm } from '../js.ts';
import type { CpuRows } from '../kernel.ts';

export const GROUP_ROWS = 64;
/** Also the most that one growth copies. */
const SHARD_BYTES_MAX = 2 ** 30;
const SHARD_BYTES_MIN = 2 ** 20;
const UPLOAD_BYTES = 8 << 20;

export interface Shard {
  firstGroup: number;
  groupCount: number;
  bindGroup: GPUBindGroup;
}

interface GrowingShard extends Shard {
  groupCapacity: number;
  /** (groups, pieces, 64, 4 floats) */
  rows: GPUBuffer;
  /** (groups * 64); one group's for metrics that need none. */
  inverseNorms: GPUBuffer;
  /** firstGroup, groupCount */
  range: GPUBuffer;
}

export interface Shards {
  readonly list: readonly Shard[];
  readonly bytes: number;
  /** Copies the rows first .. end-1 of the `CpuRows`, of which those before `first` are here. */
  upload(first: number, end: number): Promise<void>;
  close(): void;
}

export function createShards(
  device: GPUDevice,
  cpu: CpuRows,
  layout: GPUBindGroupLayout,
  shardBytesMax = SHARD_BYTES_MAX,
): Shards {
  const { dimension, metric } = cpu;
  const pieces = (dimension + 3) >>> 2;
  const groupFloats = pieces * 4 * GROUP_ROWS;
  const groupBytes = groupFloats * 4;
  const { maxBufferSize, maxStorageBufferBindingSize } = device.limits;
  const groupsMax = Math.floor(Math.min(shardBytesMax, maxBufferSize, maxStorageBufferBindingSize) / groupBytes);
  if (groupsMax === 0) throw new Error(`64 rows of ${dimension} numbers exceed this GPU's buffers`);
  const uploadGroups = Math.max(1, Math.floor(UPLOAD_BYTES / groupBytes));
  const list: GrowingShard[] = [];

  async function upload(first: number, end: number): Promise<void> {
    // A group that was not full is written again, with its old rows.
    const endGroup = Math.ceil(end / GROUP_ROWS);
    for (let group = Math.floor(first / GROUP_ROWS); group < endGroup; ) {
      const shard = await shardFor(group, endGroup);
      const inShard = group - shard.firstGroup;
      const count = Math.min(uploadGroups, endGroup - group, shard.groupCapacity - inShard);
      writeGroups(shard, group, count, end);
      shard.groupCount = Math.max(shard.groupCount, inShard + count);
      device.queue.writeBuffer(shard.range, 0, Uint32Array.of(shard.firstGroup, shard.groupCount));
      group += count;
      // Staging memory is the browser's: let it drain, and let queries in between.
      if (group < endGroup) await device.queue.onSubmittedWorkDone();
    }
  }

  /** The last shard, with room for `group`: grown, or begun. */
  async function shardFor(group: number, endGroup: number): Promise<GrowingShard> {
    const last = list.at(-1);
    if (last && group < last.firstGroup + last.groupCapacity) return last;
    const isFull = !last || last.groupCapacity >= groupsMax;
    const firstGroup = isFull ? group : last.firstGroup;
    const needed = endGroup - firstGroup;
    const doubled = isFull ? Math.ceil(SHARD_BYTES_MIN / groupBytes) : last.groupCapacity * 2;
    const shard = await createShard(firstGroup, Math.min(groupsMax, Math.max(needed, doubled)));
    if (isFull) list.push(shard);
    else {
      copyShard(last, shard);
      list[list.length - 1] = shard;
    }
    return shard;
  }

  async function createShard(firstGroup: number, groupCapacity: number): Promise<GrowingShard> {
    const { STORAGE, UNIFORM, COPY_DST, COPY_SRC } = GPUBufferUsage;
    const inverseRows = metric === 'cosine' ? groupCapacity * GROUP_ROWS : GROUP_ROWS;
    device.pushErrorScope('out-of-memory');
    device.pushErrorScope('validation');
    const usage = STORAGE | COPY_DST | COPY_SRC;
    const rows = device.createBuffer({ label: 'rows', size: groupCapacity * groupBytes, usage });
    const inverseNorms = device.createBuffer({ label: 'inverse norms', size: inverseRows * 4, usage });
    const range = device.createBuffer({ label: 'shard', size: 8, usage: UNIFORM | COPY_DST });
    const bindGroup = device.createBindGroup({
      layout,
      entries: [range, rows, inverseNorms].map((buffer, binding) => ({ binding, resource: { buffer } })),
    });
    const errors = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
    const error = errors.find((one) => one !== null);
    if (error) {
      for (const buffer of [rows, inverseNorms, range]) buffer.destroy();
      throw new Error(`the GPU has no room for ${groupCapacity * groupBytes} bytes: ${error.message}`);
    }
    return { firstGroup, groupCount: 0, groupCapacity, rows, inverseNorms, range, bindGroup };
  }

  function copyShard(from: GrowingShard, to: GrowingShard): void {
    const encoder = device.createCommandEncoder();
    encoder.copyBufferToBuffer(from.rows, 0, to.rows, 0, from.groupCount * groupBytes);
    encoder.copyBufferToBuffer(from.inverseNorms, 0, to.inverseNorms, 0, from.inverseNorms.size);
    device.queue.submit([encoder.finish()]);
    to.groupCount = from.groupCount;
    destroy(from);
  }

  function writeGroups(shard: GrowingShard, firstGroup: number, count: number, endRow: number): void {
    const interleaved = new Float32Array(count * groupFloats);
    const inverse = new Float32Array(count * GROUP_ROWS);
    const firstRow = firstGroup * GROUP_ROWS;
    for (let i = 0; i < count * GROUP_ROWS && firstRow + i < endRow; i++) {
      const row = firstRow + i;
      // Odd rows stay zero: their candidates come from the list of odd rows, and here they can overflow nothing.
      if (cpu.norms.isOdd(row)) continue;
      const at = Math.floor(i / GROUP_ROWS) * groupFloats + (i % GROUP_ROWS) * 4;
      const values = cpu.values(row);
      const offset = cpu.offset(row);
      interleave(values, offset, dimension, interleaved, at);
      if (metric === 'cosine') inverse[i] = inverseOf(vectorNorm(values, offset, dimension));
    }
    const inShard = firstGroup - shard.firstGroup;
    device.queue.writeBuffer(shard.rows, inShard * groupBytes, interleaved);
    if (metric === 'cosine') device.queue.writeBuffer(shard.inverseNorms, inShard * GROUP_ROWS * 4, inverse);
  }

  return {
    list,
    get bytes() {
      return list.reduce((sum, { rows, inverseNorms }) => sum + rows.size + inverseNorms.size, 0);
    },
    upload,
    close() {
      for (const shard of list) destroy(shard);
    },
  };
}

/** One row into its place of a group: 4 numbers, then the 252 of the other 63 rows' pieces, and so on. */
function interleave(values: Float32Array, offset: number, dimension: number, group: Float32Array, at: number): void {
  const whole = dimension & ~3;
  let to = at;
  let i = 0;
  for (; i < whole; i += 4) {
    group[to] = values[offset + i]!;
    group[to + 1] = values[offset + i + 1]!;
    group[to + 2] = values[offset + i + 2]!;
    group[to + 3] = values[offset + i + 3]!;
    to += GROUP_ROWS * 4;
  }
  for (; i < dimension; i++) group[to++] = values[offset + i]!;
}

function destroy({ rows, inverseNorms, range }: GrowingShard): void {
  for (const buffer of [rows, inverseNorms, range]) buffer.destroy();
}
