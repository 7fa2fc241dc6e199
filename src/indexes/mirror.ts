// Keeps a copy of an index's rows on whatever GPU there is: makes it when it pays, follows appends, lets go of it when
// the GPU is lost or full, and makes it anew when the GPU is back. Never fails: without a copy, the CPU answers.
import type { Devices } from '../kernels/devices.ts';
import type { CpuRows, GpuRows } from '../kernels/kernel.ts';
import { createGpuRows } from '../kernels/webgpu/rows.ts';

export interface Mirror {
  /** The copy, if it can answer now. It may still be without the newest rows, see its `rowCount`. */
  readonly rows: GpuRows | null;
  /** There is a GPU, and it has not failed or refused these rows: the copy is here or can be made. */
  readonly possible: boolean;
  /** Begins to copy, or goes on with the rows appended since. */
  follow(): void;
  /** Lets go of the copy and, if there was to be one, makes it anew: rows that it may have were taken back. */
  restart(): void;
  /** The copy with all rows in it; null if there is to be none. */
  ready(): Promise<GpuRows | null>;
  /** Stops using a copy that failed. */
  drop(rows: GpuRows): void;
  close(): void;
}

export function createMirror(cpu: CpuRows, devices: Devices): Mirror {
  let rows: GpuRows | null = null;
  let starting: Promise<void> | null = null;
  let wanted = false;
  let failed = false;
  let closed = false;
  let generation = 0;
  const stopListening = devices.onGpuBack(restart);

  function restart(): void {
    generation++;
    rows?.close();
    rows = null;
    starting = null;
    failed = false;
    if (wanted) follow();
  }

  function follow(): void {
    wanted = true;
    if (closed) return;
    starting ??= start();
    if (rows) copy(rows);
  }

  async function start(): Promise<void> {
    const { gpu } = devices;
    if (!gpu) return;
    const started = generation;
    try {
      const created = await createGpuRows(gpu, cpu);
      // The GPU may have been lost and back, or the index closed, while pipelines compiled.
      if (closed || devices.gpu !== gpu || generation !== started) return created.close();
      rows = created;
      gpu.lost.then(() => drop(created));
      await copy(created);
    } catch {
      // No pipelines on this driver, or no room: the CPU goes on alone.
      failed = true;
    }
  }

  /** Copies what is new. Resolves when all rows of now are there, or when there is no copy any more. */
  async function copy(target: GpuRows): Promise<void> {
    try {
      await target.sync();
    } catch {
      drop(target);
    }
  }

  async function ready(): Promise<GpuRows | null> {
    follow();
    await starting;
    if (rows) await copy(rows);
    return rows;
  }

  function drop(copied: GpuRows): void {
    if (rows !== copied) return;
    rows = null;
    // Until another device is there: what failed once would fail again, and each time cost a search its time.
    failed = true;
    copied.close();
  }

  return {
    get rows() {
      return rows;
    },
    get possible() {
      return devices.gpu !== null && !failed;
    },
    follow,
    restart,
    ready,
    drop,
    close() {
      closed = true;
      stopListening();
      if (rows) drop(rows);
    },
  };
}
