// Finds candidates on the GPU: scan and selection in one submit and one read-back, several searches together where they are
// asked for together. Owns the buffers of a search and the copy of the rows. Any failure rejects: the caller has a CPU.
import type { Bitset } from '../../structures/bitset.ts';
import { BLOCK_QUERIES, type GpuCounters } from '../kernel.ts';
import type { Room } from './budget.ts';
import { type Gpu, NUDGE_MS } from './device.ts';
import { getPipelines, QUERY_PIECES } from './pipelines.ts';
import { createShards, GROUP_ROWS, NoRoom, type RowSource, type Slice } from './shards.ts';

export interface Scan {
  /** Only rows before this one. */
  rowCount: number;
  /** Only these rows. Holds at least `rowCount`. */
  mask?: Bitset;
  /** How many rows that leaves. */
  eligible: number;
  /** 1 to `eligible`, and at most `PAIRS_MAX`. */
  wanted: number;
  /** Shape: (pieces, query pieces, 4 words). */
  query: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>;
  /** Of coded queries, see coder.ts. */
  scale?: number;
  constant?: number;
  weights?: readonly [number, number];
}

/** The rows with the highest keys, in no order: exactly as many as wanted, and of equal ones at the border the lowest rows. */
export interface ScanHits {
  rows: Uint32Array<ArrayBuffer>;
  keys: Uint32Array<ArrayBuffer>;
  /** The lowest key among them. */
  border: number;
}

export interface Scanner {
  /** Rows that are on the GPU. */
  readonly rowCount: number;
  readonly bytes: number;
  /** What the last submit cost. */
  readonly counters: Readonly<GpuCounters>;
  /** Copies the rows that came to the source since the last call. */
  sync(): Promise<void>;
  /** Rejects when the device is lost or fails. */
  scan(scan: Scan): Promise<ScanHits>;
  close(): void;
}

export interface ScannerOptions {
  /** Tests lower these, to have several shards, rows for each thread, submits and batches. @default 2 ** 30 */
  shardBytesMax?: number;
  /** @default 1024 */
  workgroupsMax?: number;
  /** What one submit may take. @default 50 */
  submitMs?: number;
  /** @default 64 MiB */
  keysBytesMax?: number;
  /** A GPU that finishes nothing for so long hangs. Browsers end its process after about as long; not all of them. @default 10 000 */
  timeoutMs?: number;
  /** Asked before rows take memory. @default all that the GPU has */
  room?: Room;
}

/** No GPU is slower; a busy machine may look like it. */
const BYTES_PER_MS_MIN = 1e6;
/** What one read-back holds at most. */
export const PAIRS_MAX = 65_536;
const BATCH_MAX = 64;
const PAIR_BYTES = 8;
const HEADER_BYTES = 16;
export const SEARCH_WORDS = 12;
const HISTOGRAM_BYTES = 3 * 2048 * 4;
const STATE_BYTES = 20;
const STAGING_KEPT_MAX = 4;
/** Of more rows than one in so many, all are read: a row that is read alone costs twice its bytes and more. */
const LIST_SHARE = 50;
const ALL = 0;
const MASK = 1;
const LIST = 2;

/** A buffer of searches, whose memory was asked for. */
interface Allocation {
  buffer: GPUBuffer;
  bytes: number;
  /** Null where the GPU had it. */
  refusal: Promise<GPUError | null>;
  /** Whether others gave way after a refusal; null until they were asked. */
  isGranted: boolean | null;
}

interface Waiting {
  scan: Scan;
  /** The rows that are looked at, where they are few. */
  list: Uint32Array<ArrayBuffer> | null;
  resolve(hits: ScanHits): void;
  reject(error: unknown): void;
}

type Name = 'searches' | 'queries' | 'selections' | 'keys' | 'histogram' | 'states' | 'tieCounts' | 'headers' | 'pairs';

/** Resolves when the pipelines are compiled; the rows come with `sync`. */
export async function createScanner(gpu: Gpu, source: RowSource, options: ScannerOptions = {}): Promise<Scanner> {
  const { device } = gpu;
  const { workgroupsMax = 1024, submitMs = 50, keysBytesMax = 2 ** 26, timeoutMs = 10_000 } = options;
  const pipelines = await getPipelines(gpu, source);
  const { layouts } = pipelines;
  const shards = createShards(device, source, layouts.shard, options);
  /** Allocations still pending or refused. Asked where a search is not answered. */
  const allocations = new Set<Allocation>();
  const queryWords = source.pieces * QUERY_PIECES[source.precision] * 4;
  const buffers = new Map<Name, GPUBuffer>();
  let bound: { scan: GPUBindGroup; select: GPUBindGroup } | null = null;
  let staging: GPUBuffer[] = [];
  let waiting: Waiting[] = [];
  let rowCount = 0;
  let syncing = Promise.resolve();
  let token = 0;
  let closed = false;
  let counters: GpuCounters = { dispatches: 0, submits: 0, maps: 0, bytesRead: 0 };

  function sync(): Promise<void> {
    syncing = syncing.then(async () => {
      const end = source.rowCount;
      if (end === rowCount || closed) return;
      await shards.upload(rowCount, end);
      rowCount = end;
    });
    return syncing;
  }

  /** A buffer of at least so many bytes. Nothing in it is kept. */
  function buffer(name: Name, bytes: number): GPUBuffer {
    const known = buffers.get(name);
    if (known && known.size >= bytes) return known;
    known?.destroy();
    bound = null;
    const { STORAGE, COPY_DST, COPY_SRC } = GPUBufferUsage;
    const created = allocate(name, bytes, STORAGE | COPY_DST | COPY_SRC);
    buffers.set(name, created);
    return created;
  }

  function allocate(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    const size = Math.max(1024, 2 ** Math.ceil(Math.log2(bytes)));
    device.pushErrorScope('out-of-memory');
    device.pushErrorScope('validation');
    const created = device.createBuffer({ label, size, usage });
    const refusal = Promise.all([device.popErrorScope(), device.popErrorScope()]).then(
      (errors) => errors.find((one) => one !== null) ?? null,
      () => null, // the device is lost
    );
    const allocation: Allocation = { buffer: created, bytes: size, refusal, isGranted: null };
    allocations.add(allocation);
    refusal.then((error) => error ?? allocations.delete(allocation));
    return created;
  }

  /** Why a search was not answered: the GPU may have had no room for what it needs. `again`: others have made some. */
  async function reasonOf(error: unknown): Promise<{ reason: unknown; again: boolean }> {
    for (const allocation of [...allocations]) {
      const refusal = await allocation.refusal;
      if (!refusal || closed) continue;
      const { buffer, bytes } = allocation;
      if (allocation.isGranted === null) {
        // It takes no room.
        for (const [name, one] of buffers) if (one === buffer) buffers.delete(name);
        bound = null;
        buffer.destroy();
        allocation.isGranted = options.room?.refused(bytes) ?? false;
      }
      const reason = new NoRoom(`the GPU has no room for ${bytes} bytes of a search: ${refusal.message}`);
      return { reason, again: allocation.isGranted };
    }
    return { reason: error, again: false };
  }

  function scan(request: Scan): Promise<ScanHits> {
    return new Promise((resolve, reject) => {
      if (closed) throw new Error('the rows have left the GPU');
      const { mask, eligible, rowCount: end } = request;
      const list = mask && eligible * LIST_SHARE <= end ? Uint32Array.from(firstOf(mask, eligible)) : null;
      waiting.push({ scan: request, list, resolve, reject });
      // Searches that begin in the same turn go together.
      if (waiting.length === 1) queueMicrotask(flush);
    });
  }

  function flush(): void {
    const all = waiting;
    waiting = [];
    for (const together of [all.filter(({ list }) => list), all.filter(({ list }) => !list)]) {
      for (let first = 0; first < together.length; ) {
        const batch = firstBatch(together.slice(first));
        first += batch.length;
        void run(batch);
      }
    }
  }

  /** As many as fit one submit, and at least one. */
  function firstBatch(searches: Waiting[]): Waiting[] {
    let keys = 0;
    let pairs = 0;
    const end = searches.findIndex((search, i) => {
      keys += positionCount(search);
      pairs += search.scan.wanted;
      return i > 0 && (i === BATCH_MAX || keys * 4 > keysBytesMax || pairs > PAIRS_MAX);
    });
    return end < 0 ? searches : searches.slice(0, end);
  }

  async function run(batch: Waiting[], isAgain = false): Promise<void> {
    const bytes = batch.reduce((sum, { scan: { wanted } }) => sum + HEADER_BYTES + wanted * PAIR_BYTES, 0);
    let target: GPUBuffer | null = null;
    try {
      if (closed) throw new Error('the rows have left the GPU');
      target = takeStaging(bytes);
      const firstToken = token + 1;
      token += batch.length;
      const start = performance.now();
      const work = submit(batch, firstToken, target);
      await mapped(target, bytes);
      learn(work, performance.now() - start);
      const words = new Uint32Array(target.getMappedRange(0, bytes));
      let pairsAt = (batch.length * HEADER_BYTES) / 4;
      for (const [i, search] of batch.entries()) {
        const { wanted } = search.scan;
        const header = words.subarray(i * 4, i * 4 + 4);
        const hits = read(search, header, words.subarray(pairsAt, pairsAt + wanted * 2), firstToken + i);
        if (!hits) throw new Error('the GPU did not answer this search');
        search.resolve(hits);
        pairsAt += wanted * 2;
      }
      target.unmap();
      if (!closed && staging.length < STAGING_KEPT_MAX) staging.push(target);
      else target.destroy();
    } catch (error) {
      target?.destroy();
      const { reason, again } = await reasonOf(error);
      if (again && !isAgain) return run(batch, true);
      for (const { reject } of batch) reject(reason); // of those that were not answered
    }
  }

  /** Returns how many bytes are read, by and large. */
  function submit(batch: Waiting[], firstToken: number, target: GPUBuffer): number {
    const scanBlock = batch.length > 1 && batch[0]!.list === null ? pipelines.scanBlock : null;
    const isBlock = scanBlock !== null;
    const blocks = isBlock ? Math.ceil(batch.length / BLOCK_QUERIES) : batch.length;
    const most = Math.max(...batch.map(positionCount));
    const selectWorkgroups = Math.max(1, Math.min(Math.ceil(workgroupsMax / batch.length), Math.ceil(most / 1024)));
    const pairCount = write(batch, firstToken, blocks * (isBlock ? BLOCK_QUERIES : 1), selectWorkgroups);
    const groups = bindGroups();
    const parts = planParts(blocks);
    const { queue } = device;
    counters = { dispatches: 0, submits: 0, maps: 1, bytesRead: batch.length * HEADER_BYTES + pairCount * PAIR_BYTES };

    const dispatch = (pass: GPUComputePassEncoder, x: number, y: number) => {
      pass.dispatchWorkgroups(x, y);
      counters.dispatches++;
    };
    for (const [i, part] of parts.entries()) {
      const encoder = device.createCommandEncoder();
      if (i === 0) {
        encoder.clearBuffer(buffers.get('histogram')!, 0, batch.length * HISTOGRAM_BYTES);
        encoder.clearBuffer(buffers.get('headers')!, 0, batch.length * HEADER_BYTES);
      }
      const scanPass = encoder.beginComputePass({ label: 'scan' });
      scanPass.setPipeline(scanBlock ?? pipelines.scan);
      scanPass.setBindGroup(0, groups.scan);
      for (const { bindGroup, rangeOffset, groupCount } of part) {
        scanPass.setBindGroup(1, bindGroup, [rangeOffset]);
        const scanned = batch[0]!.list ? Math.ceil(most / GROUP_ROWS) : groupCount;
        dispatch(scanPass, Math.max(1, Math.min(workgroupsMax, Math.ceil(scanned / 4))), blocks);
      }
      scanPass.end();
      const isLast = i === parts.length - 1;
      if (isLast) {
        const selectPass = encoder.beginComputePass({ label: 'select' });
        selectPass.setBindGroup(0, groups.select);
        for (const step of isBlock ? [pipelines.countTop, ...pipelines.select] : pipelines.select) {
          selectPass.setPipeline(step);
          dispatch(selectPass, selectWorkgroups, batch.length);
        }
        selectPass.end();
        const headerBytes = batch.length * HEADER_BYTES;
        encoder.copyBufferToBuffer(buffers.get('headers')!, 0, target, 0, headerBytes);
        encoder.copyBufferToBuffer(buffers.get('pairs')!, 0, target, headerBytes, pairCount * PAIR_BYTES);
      }
      queue.submit([encoder.finish()]);
      counters.submits++;
    }
    return batch[0]!.list ? most * blocks * source.pieces * 16 : rowCount * blocks * source.pieces * 16;
  }

  /** The shards, cut so that no dispatch takes longer than `submitMs`, as the dispatches of each submit. */
  function planParts(blocks: number): Slice[][] {
    const groups = (submitMs * gpu.bytesPerMs) / shards.groupBytes / blocks;
    // Powers of two, so that a new measure seldom makes other slices.
    const budget = 2 ** Math.max(0, Math.floor(Math.log2(groups)));
    const parts: Slice[][] = [];
    let room = 0;
    for (const slice of shards.slices(budget)) {
      if (slice.groupCount > room) {
        parts.push([]);
        room = budget;
      }
      parts.at(-1)!.push(slice);
      room -= slice.groupCount;
    }
    return parts;
  }

  /** Writes what the kernels read, and makes room for what they write. Returns how many pairs that will be. */
  function write(batch: Waiting[], firstToken: number, places: number, selectWorkgroups: number): number {
    const searches = new Uint32Array(places * SEARCH_WORDS);
    const queries = new Uint32Array(places * queryWords);
    const selections: Uint32Array<ArrayBuffer>[] = [];
    const selectionAt = new Map<Bitset | Waiting, number>();
    let selectionWords = 0;
    let keysAt = 0;
    let pairsAt = 0;
    for (const [i, search] of batch.entries()) {
      const { mask, wanted, query, scale = 0, constant = 0, weights = [0, 0] } = search.scan;
      const selection = search.list ?? mask?.words;
      // Queries of one filter share its mask.
      const shared = search.list ? search : mask;
      let at = shared && selectionAt.get(shared);
      if (selection && at === undefined) {
        at = selectionWords;
        selectionAt.set(shared!, at);
        selections.push(selection);
        selectionWords += selection.length;
      }
      const count = positionCount(search);
      const chunk = Math.ceil(count / selectWorkgroups / 256) * 256;
      const kind = search.list ? LIST : mask ? MASK : ALL;
      searches.set(
        [
          ...[count, kind, at ?? 0, wanted, firstToken + i, keysAt, pairsAt, chunk],
          ...[bitsOf(scale), constant, bitsOf(weights[0]), bitsOf(weights[1])],
        ],
        i * SEARCH_WORDS,
      );
      queries.set(new Uint32Array(query.buffer, query.byteOffset, query.length), i * queryWords);
      keysAt += count;
      pairsAt += wanted;
    }
    const { queue } = device;
    queue.writeBuffer(buffer('searches', searches.byteLength), 0, searches);
    queue.writeBuffer(buffer('queries', queries.byteLength), 0, queries);
    const selectionBuffer = buffer('selections', selectionWords * 4);
    let at = 0;
    for (const words of selections) {
      queue.writeBuffer(selectionBuffer, at * 4, words);
      at += words.length;
    }
    buffer('keys', keysAt * 4);
    buffer('histogram', batch.length * HISTOGRAM_BYTES);
    buffer('states', batch.length * STATE_BYTES);
    buffer('tieCounts', batch.length * selectWorkgroups * 4);
    buffer('headers', batch.length * HEADER_BYTES);
    buffer('pairs', pairsAt * PAIR_BYTES);
    return pairsAt;
  }

  function bindGroups() {
    const bind = (layout: GPUBindGroupLayout, names: Record<number, Name>) =>
      device.createBindGroup({
        layout,
        entries: Object.entries(names).map(([binding, name]) => ({
          binding: Number(binding),
          resource: { buffer: buffers.get(name)! },
        })),
      });
    const shared = { 0: 'searches', 3: 'keys', 4: 'histogram' } as const;
    bound ??= {
      scan: bind(layouts.scan, { ...shared, 1: 'queries', 2: 'selections' }),
      select: bind(layouts.select, { ...shared, 5: 'states', 6: 'tieCounts', 7: 'headers', 8: 'pairs' }),
    };
    return bound;
  }

  /** A buffer that no read-back is under way to. */
  function takeStaging(bytes: number): GPUBuffer {
    const free = staging.find(({ size }) => size >= bytes);
    if (free) {
      staging = staging.filter((one) => one !== free);
      return free;
    }
    return allocate('staging', bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  }

  /** Only this proves that the GPU did its work: on a lost device it rejects, and nothing else fails. */
  async function mapped(target: GPUBuffer, bytes: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let waited = 0;
    let finished = gpu.finished;
    const timeout = new Promise<never>((_resolve, reject) => {
      const wait = (ms: number) => {
        timer = setTimeout(() => {
          waited += ms;
          if (gpu.finished > finished) {
            waited = 0;
            finished = gpu.finished;
          }
          if (waited >= timeoutMs) {
            // A device that hangs seldom comes back by itself; a lost one is opened anew.
            device.destroy();
            reject(new Error(`the GPU gave no answer in ${timeoutMs} ms`));
          } else {
            device.queue.submit([]);
            wait(Math.max(NUDGE_MS, waited / 4));
          }
        }, ms);
      };
      wait(NUDGE_MS);
    });
    try {
      await Promise.race([target.mapAsync(GPUMapMode.READ, 0, bytes), timeout]);
      gpu.finished++;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Null for what is not this search's answer: a command that failed validation leaves an older one in the buffer. */
  function read(search: Waiting, header: Uint32Array, pairs: Uint32Array, expected: number): ScanHits | null {
    const { wanted } = search.scan;
    const [foundToken, border, above, total] = header;
    if (foundToken !== expected || total !== wanted || above! >= wanted) return null;
    const rows = new Uint32Array(wanted);
    const keys = new Uint32Array(wanted);
    for (let i = 0; i < wanted; i++) {
      rows[i] = search.list ? search.list[pairs[i * 2]!]! : pairs[i * 2]!;
      keys[i] = pairs[i * 2 + 1]!;
    }
    return { rows, keys, border: border! };
  }

  /** Waiting in the queue counts too: what is learned is rather too slow than too fast. */
  function learn(bytes: number, ms: number): void {
    if (ms < 1 || bytes < 2 ** 20) return;
    gpu.bytesPerMs = Math.max(BYTES_PER_MS_MIN, gpu.bytesPerMs + (bytes / ms - gpu.bytesPerMs) / 4);
  }

  return {
    get rowCount() {
      return rowCount;
    },
    get bytes() {
      return [...buffers.values(), ...staging].reduce((sum, { size }) => sum + size, shards.bytes);
    },
    get counters() {
      return counters;
    },
    sync,
    scan,
    close() {
      closed = true;
      shards.close();
      for (const one of [...buffers.values(), ...staging]) one.destroy();
      buffers.clear();
      staging = [];
    },
  };
}

/** How many keys a search has. */
function positionCount({ scan, list }: Waiting): number {
  return list ? list.length : scan.rowCount;
}

function* firstOf(mask: Bitset, count: number): Generator<number> {
  let left = count;
  for (const row of mask) {
    if (left-- === 0) return;
    yield row;
  }
}

function bitsOf(value: number): number {
  return new Uint32Array(Float32Array.of(value).buffer)[0]!;
}

/** The number whose ordered key (see scan.wgsl) this is. */
export function similarityOf(key: number): number {
  const bits = key & 0x80000000 ? key & 0x7fffffff : ~key;
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!;
}
