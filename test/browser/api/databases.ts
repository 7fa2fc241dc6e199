// What the browser tests of the public API share: databases with names of their own, and small records.
import { type Database, type OpenOptions, open, PiramidError, type VectorRecord } from 'piramid';

let made = 0;

/** A name that no other test uses. */
export function freshName(): string {
  return `test-${Date.now().toString(36)}-${made++}`;
}

/** Opens a database of its own on WASM, which is there in every test browser. */
export function openFresh(options: OpenOptions = {}): Promise<Database> {
  return open(freshName(), { device: 'wasm', ...options });
}

/** Records 'r0' .. with a vector that points a little further each, a text and metadata. */
export function records(
  count: number,
  first = 0,
): Required<Omit<VectorRecord<{ n: number; even: boolean }>, 'context'>>[] {
  return Array.from({ length: count }, (_, i) => {
    const n = first + i;
    return { id: `r${n}`, vector: [1, n / 10, 0], text: `record number ${n}`, metadata: { n, even: n % 2 === 0 } };
  });
}

/** The code that a promise rejects with; fails if it does not. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (!(error instanceof PiramidError)) throw error;
    return error.code;
  }
  throw new Error('expected a rejection');
}
