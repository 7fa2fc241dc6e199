// What every WASM kernel needs: one growing WebAssembly.Memory, handed out in order. Nothing in it is moved or given back,
// so that growing (in place, up to 4 GB) copies nothing.
import { PiramidError } from '../../errors.ts';

const PAGE_BYTES = 65_536;
/** Tile size for batched scans: fits the L2 cache of any processor; call overhead is negligible. */
export const CACHED_BYTES = 192 << 10;
/** One page less than 4 GB, so that no pointer to an end wraps to 0. */
const MEMORY_BYTES_MAX = 65_535 * PAGE_BYTES;

export class Arena {
  readonly memory = createMemory();
  #allocated = 64;

  /** A place for as many bytes, at a multiple of 64. Detaches older views. Throws `UNSUPPORTED` where memory ends. */
  allocate(bytes: number): number {
    const at = this.#allocated;
    const end = at + Math.ceil(bytes / 64) * 64;
    const missing = end - this.memory.buffer.byteLength;
    if (missing > 0) grow(this.memory, end, missing);
    this.#allocated = end;
    return at;
  }
}

/** Puts a mask's part for some rows, the first a multiple of 32, into a place. False if none of them is in it. */
export function copyMask(buffer: ArrayBuffer, at: number, words: Uint32Array, first: number, count: number): boolean {
  const part = words.subarray(first >>> 5, (first + count + 31) >>> 5);
  const target = new Uint32Array(buffer, at, part.length);
  target.set(part);
  // The mask may hold rows that are newer than this search.
  if (count & 31) target[target.length - 1]! &= 0xffffffff >>> (32 - (count & 31));
  return target.some((word) => word !== 0);
}

function createMemory(): WebAssembly.Memory {
  try {
    // With a maximum, engines reserve the addresses at once and grow without moving.
    return new WebAssembly.Memory({ initial: 1, maximum: 65_536 });
  } catch {
    return new WebAssembly.Memory({ initial: 1 });
  }
}

function grow(memory: WebAssembly.Memory, end: number, missing: number): void {
  try {
    if (end > MEMORY_BYTES_MAX) throw new RangeError('WASM memory ends at 4 GB');
    memory.grow(Math.ceil(missing / PAGE_BYTES));
  } catch (cause) {
    throw new PiramidError(
      'UNSUPPORTED',
      `the vectors need ${end} bytes of WASM memory, and the browser gives no more than ${memory.buffer.byteLength}; ` +
        'delete records, or split them over several collections',
      { cause },
    );
  }
}
