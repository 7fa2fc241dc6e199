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
  /** The GPU would answer a search through so many bytes, now or (asked for by name) once the copy is there. */
  answers(bytes: number): boolean;
  /** Rows were appended: begins to copy, or goes on, if so many bytes are worth it. */
  follow(bytes: number): void;
  /** Lets go of the copy and, if there was to be one, makes it anew: rows that it may have were taken back. */
  restart(): void;
  /**
   * The copy's answer to a search among the first `rowCount` rows, of which so many bytes are looked at. Null where the CPU is to
   * answer: it does not pay, the copy is not ready, it failed (and is used no more), or it has no answer.
   */
  ask<T>(rowCount: number, bytes: number, question: (copy: Copy) => Promise<T | null>): Promise<T | null>;
  close(): void;
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

  function pays(bytes: number): boolean {
    return ways.length > 0 && bytes > 0 && (always || bytes >= devices.gpuFromBytes);
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

  async function ask<T>(rowCount: number, bytes: number, question: (copy: Copy) => Promise<T | null>) {
    if (!pays(bytes)) return null;
    const isComplete = copy !== null && copy.rowCount >= rowCount;
    const asked = isComplete || !always ? copy : await ready();
    if (!asked || asked.rowCount < rowCount) return null;
    try {
      return await question(asked);
    } catch {
      drop(asked);
      return null;
    }
  }

  return {
    get bytes() {
      return copy?.bytes ?? 0;
    },
    get layout() {
      return copy?.layout ?? null;
    },
    answers(bytes) {
      if (always) return ways.length > 0 && devices.gpu !== null && !failed;
      return copy !== null && pays(bytes);
    },
    follow(bytes) {
      if (pays(bytes)) begin();
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
