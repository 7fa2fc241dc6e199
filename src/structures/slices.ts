// Long work in slices: it says where it may rest, and whoever runs it decides whether it does.

/** How long work holds the thread before it lets others in, milliseconds. */
export const SLICE_MS = 2;

/** Work that yields where it may rest, at least every some ten microseconds. */
export type Sliced<T> = Generator<void, T, void>;

/** Runs it without a rest. */
export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
  }
}

/** When the slice under way ends. One for all work: what follows in the same task has what is left of it. */
let end = 0;

/** Runs it, and lets the messages that wait be handled whenever the thread has been held for `SLICE_MS`. */
export async function inSlices<T>(work: Sliced<T>): Promise<T> {
  const begun = performance.now();
  // A slice that ended long ago was another task's. One that ended just now may have been this one's.
  if (begun >= end + SLICE_MS) end = begun + SLICE_MS;
  for (;;) {
    while (performance.now() < end) {
      const { done, value } = work.next();
      if (done) return value;
    }
    await nextTask();
    end = performance.now() + SLICE_MS;
  }
}

/** Rows of numbers in parts of about `size` numbers, at least one row each. */
export function* partsOf<T extends Float32Array>(vectors: T, dimension: number, size: number): Generator<T> {
  const step = Math.max(1, Math.floor(size / dimension)) * dimension;
  for (let at = 0; at < vectors.length; at += step) yield vectors.subarray(at, at + step) as T;
}

/** Lets the messages that wait be handled. A timer would sleep at least 4 ms once nested; a message does not. */
export function nextTask(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** Indices 0 .. n-1 in ascending order of `compare`, stable: a merge sort that can rest. */
export function* sortedIndices(n: number, compare: (a: number, b: number) => number): Sliced<Uint32Array> {
  let from = Uint32Array.from({ length: n }, (_, i) => i);
  let to = new Uint32Array(n);
  for (let width = 1; width < n; width *= 2) {
    for (let start = 0; start < n; start += 2 * width) {
      const middle = Math.min(start + width, n);
      const end = Math.min(start + 2 * width, n);
      let left = start;
      let right = middle;
      for (let at = start; at < end; at++) {
        if (left < middle && (right >= end || compare(from[left]!, from[right]!) <= 0)) to[at] = from[left++]!;
        else to[at] = from[right++]!;
        if ((at & 63) === 63) yield;
      }
    }
    [from, to] = [to, from];
  }
  return from;
}
