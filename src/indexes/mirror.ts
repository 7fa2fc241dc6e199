// Keeps a copy of an index's rows or codes on whatever GPU there is: makes it when it pays, follows appends, lets go of it
// when the GPU is lost, makes room for others' when the budget says so, and makes it anew when the GPU or the room is back.
// Never fails: without a copy, the CPU answers.
import type { Devices } from '../kernels/devices.ts';
import { type GpuCopy, NO_ROOM } from '../kernels/kernel.ts';
import type { Room } from '../kernels/webgpu/budget.ts';
import type { Gpu } from '../kernels/webgpu/device.ts';
import type { Precision } from '../kernels/webgpu/pipelines.ts';
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

/** Why the CPU answers what the GPU was asked first. */
export const GPU_NOT_PROVEN = 'the GPU could not prove its answer';

/** Why no GPU is asked, where there is none. */
export function routeWithout({
  wanted,
  adapter,
  gpuMissing = 'no GPU',
}: Pick<Devices, 'wanted' | 'adapter' | 'gpuMissing'>): string {
  if (adapter) return 'the GPU was lost';
  return wanted === 'auto' ? gpuMissing : `device '${wanted}'`;
}

/** A way to copy the rows. */
export interface Way<Copy extends GpuCopy> {
  precision: Precision;
  create(gpu: Gpu, room: Room): Promise<Copy>;
}

/** `ways` to copy, the largest first: one that does not fit into the GPU's memory gives way to the next. None: the CPU alone. */
export function createMirror<Copy extends GpuCopy>(devices: Devices, ways: readonly Way<Copy>[]): Mirror<Copy> {
  /** Asked for by name, the GPU is used for little, too, and waited for. */
  const always = devices.wanted === 'webgpu';
  let copy: Copy | null = null;
  let starting: Promise<void> | null = null;
  let wanted = false;
  /** Why there is no copy, and none is being made. A full GPU is asked again when there is room. */
  let without: 'failed' | 'full' | null = null;
  let closed = false;
  let generation = 0;
  /** Of `ways`. */
  let way = 0;
  /** Kept for the smaller copy that is to take the place of the one that gave way. */
  let promised = 0;
  /** What there was no room for. */
  let missing = 0;
  const seat = devices.gpuBudget.join({
    holdings: () =>
      copy || promised > 0 ? ways.slice(way).map(({ precision }, i) => ({ precision, bytes: held() / 2 ** i })) : [],
    giveWay,
  });
  const stopListening = devices.onGpuBack(restart);

  function pays(bytes: number, batch: number): boolean {
    return ways.length > 0 && bytes > 0 && (always || bytes >= devices.gpuFromBytes(batch));
  }

  function held(): number {
    return Math.max(promised, copy?.bytes ?? 0);
  }

  /** Notes what is refused, so that it is known when to ask again. */
  function roomFor(precision: Precision): Room {
    const room = seat.room(precision);
    const note = (bytes: number, granted: boolean) => {
      if (!granted) missing = bytes + (copy?.bytes ?? 0);
      return granted;
    };
    return {
      hasFree: room.hasFree,
      take(bytes) {
        promised = 0;
        return note(bytes, room.take(bytes));
      },
      refused: (bytes) => note(bytes, room.refused(bytes)),
    };
  }

  function restart(): void {
    release();
    if (wanted) begin();
  }

  /** As it was before there was a copy. What is being made will be thrown away. */
  function release(): void {
    generation++;
    copy?.close();
    copy = null;
    starting = null;
    without = null;
    way = 0;
    promised = 0;
  }

  function giveWay(): void {
    const bytes = held();
    const next = way + 1;
    release();
    if (next === ways.length) {
      without = 'full';
      missing = bytes;
    } else {
      way = next;
      promised = bytes / 2;
      starting = start();
    }
  }

  function begin(): void {
    wanted = true;
    if (closed) return;
    if (without === 'full' && seat.fits(ways.at(-1)!.precision, missing)) release();
    if (without === null) starting ??= start();
    if (copy) void sync(copy);
  }

  async function start(): Promise<void> {
    const { gpu } = devices;
    if (!gpu) return;
    const started = generation;
    try {
      const { precision, create } = ways[way]!;
      const created = await create(gpu, roomFor(precision));
      // The GPU may have been lost and back, or the index closed, while pipelines compiled.
      if (closed || devices.gpu !== gpu || generation !== started) return created.close();
      copy = created;
      gpu.lost.then(() => drop(created));
      await sync(created);
    } catch {
      // No pipelines on this driver: the CPU goes on alone.
      if (generation !== started) return;
      without = 'failed';
      promised = 0;
    }
  }

  /** Copies what is new. Resolves when all rows of now are there, or when there is no copy any more. */
  async function sync(target: Copy): Promise<void> {
    try {
      await target.sync();
    } catch (error) {
      if (fail(target, error)) await starting;
    }
  }

  async function ready(): Promise<Copy | null> {
    begin();
    await starting;
    if (copy) await sync(copy);
    await starting; // a smaller one, if it had no room
    return copy;
  }

  /** What failed is used no more. Where there was no room for it, and this says so, a smaller copy takes its place. */
  function fail(target: Copy, error: unknown): boolean {
    if (copy !== target) return false;
    drop(target);
    if ((error as Error | null)?.name !== NO_ROOM || closed || devices.gpu === null) return false;
    if (way + 1 === ways.length) {
      without = 'full';
      return false;
    }
    way++;
    without = null;
    starting = start();
    return true;
  }

  function drop(target: Copy): void {
    if (copy !== target) return;
    copy = null;
    // Until another device is there: what failed once would fail again, and each time cost a search its time.
    without = 'failed';
    target.close();
  }

  async function ask<T>(search: AskedSearch, question: (copy: Copy) => Promise<T | null>): Promise<Asked<T>> {
    const { rowCount, bytes, batch } = search;
    if (ways.length === 0) return { answer: null, route: 'metric not supported on the GPU' };
    const route = routeOf(bytes, batch);
    if (!pays(bytes, batch)) return { answer: null, route };
    seat.used();
    // A batch may pay where no single search did, and there may be room again.
    if (!copy) begin();
    const isComplete = copy !== null && copy.rowCount >= rowCount;
    const asked = isComplete || !always ? copy : await ready();
    if (!asked || asked.rowCount < rowCount) return { answer: null, route: routeBeside() };
    try {
      const answer = await question(asked);
      return { answer, route: answer === null ? GPU_NOT_PROVEN : route };
    } catch (error) {
      fail(asked, error);
      return { answer: null, route: routeBeside() };
    }
  }

  function routeOf(bytes: number, batch: number): string {
    if (always) return "device 'webgpu'";
    if (!devices.adapter) return routeWithout(devices);
    const many = batch > 1 ? ` for each of ${batch}` : '';
    return `${bytes} bytes to scan${many}, the GPU pays from ${devices.gpuFromBytes(batch)}`;
  }

  /** Why the CPU answers what the GPU should. */
  function routeBeside(): string {
    if (!devices.gpu) return routeWithout(devices);
    if (without === 'failed') return 'the GPU failed';
    if (without === 'full') return `the GPU is full, its budget ${devices.gpuBudget.limit} bytes`;
    return 'the rows are on their way to the GPU';
  }

  return {
    get bytes() {
      return copy?.bytes ?? 0;
    },
    get layout() {
      return copy?.layout ?? null;
    },
    answers(bytes, batch) {
      if (always) return ways.length > 0 && devices.gpu !== null && without === null;
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
      release();
      seat.leave();
    },
  };
}
