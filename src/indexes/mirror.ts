// Keeps a copy of an index's rows or codes on whatever GPU there is: makes it when it pays, follows appends, lets go of it
// when the GPU is lost or full, and makes it anew when the GPU is back. Never fails: without a copy, the CPU answers.
import type { Devices } from '../kernels/devices.ts';
import type { GpuCopy } from '../kernels/kernel.ts';
import type { Gpu } from '../kernels/webgpu/device.ts';
import type { Layout } from '../types.ts';

export interface Mirror<Copy extends GpuCopy> {
  /** Bytes on the GPU. */
  readonly bytes: number;
  /** How the copy's rows lie; null where there is no copy. */
  readonly layout: Layout | null;
  /** The GPU would answer so many searches of one turn through so many bytes, now or (asked for by name) once the copy is there. */
  answers(bytes: number, batch: number): boolean;
  /** Rows were appended: begins to copy, or goes on, if so many bytes are worth it. */
  follow(bytes: number): void;
  /** Lets go of the copy and, if there was to be one, makes it anew: rows that it may have were taken back. */
  restart(): void;
  /** The copy's answer, if the GPU is to answer. */
  ask<T>(search: AskedSearch, question: (copy: Copy) => Promise<T | null>): Promise<Asked<T>>;
  close(): void;
}

export interface AskedSearch {
  /** Only rows before this one. */
  rowCount: number;
  /** What is looked at. */
  bytes: number;
  /** Searches of this turn. */
  batch: number;
}

export interface Asked<T> {
  /** Null where the CPU is to answer: it does not pay, the copy is not ready, it failed (and is used no more), or it has no answer. */
  answer: T | null;
  /** Why, see `QueryPlan.route`. */
  route: string;
}

/** Why no GPU is asked, where there is none. */
export function routeWithout({ wanted, adapter }: Pick<Devices, 'wanted' | 'adapter'>): string {
  if (adapter) return 'the GPU was lost';
  return wanted === 'auto' ? 'no GPU' : `device '${wanted}'`;
}

/** `ways` to copy, the largest first: one that does not fit into the GPU's memory gives way to the next. None: the CPU alone. */
export function createMirror<Copy extends GpuCopy>(
  devices: Devices,
  ways: readonly ((gpu: Gpu) => Promise<Copy>)[],
): Mirror<Copy> {
  /** Asked for by name, the GPU is used for little, too, and waited for. */
  const always = devices.wanted === 'webgpu';
  let copy: Copy | null = null;
  let starting: Promise<void> | null = null;
  let wanted = false;
  let failed = false;
  let closed = false;
  let generation = 0;
  /** Of `ways`. */
  let way = 0;
  const stopListening = devices.onGpuBack(restart);

  function pays(bytes: number, batch: number): boolean {
    return ways.length > 0 && bytes > 0 && (always || bytes >= devices.gpuFromBytes(batch));
  }

  function restart(): void {
    generation++;
    copy?.close();
    copy = null;
    starting = null;
    failed = false;
    way = 0;
    if (wanted) begin();
  }

  function begin(): void {
    wanted = true;
    if (closed) return;
    starting ??= start();
    if (copy) void sync(copy);
  }

  async function start(): Promise<void> {
    const { gpu } = devices;
    if (!gpu) return;
    const started = generation;
    try {
      const created = await ways[way]!(gpu);
      // The GPU may have been lost and back, or the index closed, while pipelines compiled.
      if (closed || devices.gpu !== gpu || generation !== started) return created.close();
      copy = created;
      gpu.lost.then(() => drop(created));
      await sync(created);
    } catch {
      // No pipelines on this driver, or no room: the CPU goes on alone.
      if (generation === started) failed = true;
    }
  }

  /** Copies what is new. Resolves when all rows of now are there, or when there is no copy any more. */
  async function sync(target: Copy): Promise<void> {
    try {
      await target.sync();
    } catch {
      if (copy !== target) return;
      drop(target);
      if (way + 1 === ways.length || closed || devices.gpu === null) return;
      way++;
      failed = false;
      starting = start();
      await starting;
    }
  }

  async function ready(): Promise<Copy | null> {
    begin();
    await starting;
    if (copy) await sync(copy);
    await starting; // a smaller one, if it had no room
    return copy;
  }

  function drop(target: Copy): void {
    if (copy !== target) return;
    copy = null;
    // Until another device is there: what failed once would fail again, and each time cost a search its time.
    failed = true;
    target.close();
  }

  async function ask<T>(search: AskedSearch, question: (copy: Copy) => Promise<T | null>): Promise<Asked<T>> {
    const { rowCount, bytes, batch } = search;
    if (ways.length === 0) return { answer: null, route: 'its metric is the CPU’s' };
    const route = routeOf(bytes, batch);
    if (!pays(bytes, batch)) return { answer: null, route };
    // A batch may pay where no single search did.
    if (!copy) begin();
    const isComplete = copy !== null && copy.rowCount >= rowCount;
    const asked = isComplete || !always ? copy : await ready();
    if (!asked || asked.rowCount < rowCount) return { answer: null, route: missing() };
    try {
      const answer = await question(asked);
      return { answer, route: answer === null ? 'the GPU could not prove its answer' : route };
    } catch {
      drop(asked);
      return { answer: null, route: 'the GPU failed' };
    }
  }

  function routeOf(bytes: number, batch: number): string {
    if (always) return "device 'webgpu'";
    if (!devices.adapter) return routeWithout(devices);
    const many = batch > 1 ? ` for each of ${batch}` : '';
    return `${bytes} bytes to scan${many}, the GPU pays from ${devices.gpuFromBytes(batch)}`;
  }

  function missing(): string {
    if (!devices.gpu) return routeWithout(devices);
    return failed ? 'the GPU has no room, or failed' : 'the rows are on their way to the GPU';
  }

  return {
    get bytes() {
      return copy?.bytes ?? 0;
    },
    get layout() {
      return copy?.layout ?? null;
    },
    answers(bytes, batch) {
      if (always) return ways.length > 0 && devices.gpu !== null && !failed;
      return copy !== null && pays(bytes, batch);
    },
    follow(bytes) {
      if (pays(bytes, 1)) begin();
    },
    restart,
    ask,
    close() {
      closed = true;
      stopListening();
      if (copy) drop(copy);
    },
  };
}
