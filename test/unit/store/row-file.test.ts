// Row files over a simulated file: what is read is what was written, or is not there.
import { expect, test } from 'vitest';
import { vectorNorm } from '../../../src/kernels/js.ts';
import { encodeSegment } from '../../../src/store/batch.ts';
import { crc32 } from '../../../src/store/checksum.ts';
import type { ChunkRef } from '../../../src/store/manifest.ts';
import { DIRECTORY_BYTES, decodeDirectory, encodeDirectory } from '../../../src/store/rows/layout.ts';
import { RowFile, type RowHandle } from '../../../src/store/rows/row-file.ts';
import { Bitset } from '../../../src/structures/bitset.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import { atOnce } from '../../../src/structures/slices.ts';
import { SimulatedFile } from './simulated-file.ts';

const UUID = '01234567-89ab-cdef-0123-456789abcdef';

interface Chunk {
  ref: ChunkRef;
  value: ArrayBuffer;
  vectors: Float32Array;
  present: Bitset;
}

const random = seededRandom(3);
let lastKey = 0;

function chunkOf(rowCount: number, dimension: number): Chunk {
  const vectors = Float32Array.from({ length: rowCount * dimension }, () => random.normal());
  const present = Bitset.full(rowCount);
  present.remove(1);
  vectors.fill(0, dimension, 2 * dimension);
  const none = new Array<null>(rowCount).fill(null);
  const ids = [...none.keys()];
  const batch = { firstRow: 0, rowCount, ids, metadata: none, texts: none, postings: null };
  const encoded = atOnce(
    encodeSegment(1, { ...batch, vectors: { dimension, values: vectors, present } }, () => ++lastKey),
  );
  const i = encoded.segment.chunks.findIndex(({ kind }) => kind === 'vectors');
  return { ref: encoded.segment.chunks[i]!, value: encoded.values[i]!.value, vectors, present };
}

const open = (file: RowHandle, chunks: Iterable<Chunk> = [], uuid = UUID) =>
  new RowFile(
    file,
    uuid,
    vectorNorm,
    Array.from(chunks, ({ ref }) => ref),
  );
const put = (file: RowFile, chunk: Chunk) => atOnce(file.put(chunk.value));

/** Vitest compares long arrays slowly. */
function expectSame(found: Float32Array | Float64Array | Uint32Array, expected: typeof found): void {
  const bytesOf = ({ buffer, byteOffset, byteLength }: typeof found) => Buffer.from(buffer, byteOffset, byteLength);
  expect(bytesOf(found).equals(bytesOf(expected))).toBe(true);
}

/** Reads rows in a few ways; whatever is read is right. Returns whether all was there. */
function isWhole(file: RowFile, { ref, vectors, present }: Chunk): boolean {
  const dimension = vectors.length / ref.rowCount;
  let whole = true;
  const check = (first: number, count: number) => {
    const target = new Float32Array(count * dimension + 3);
    if (file.read(ref.key, first, count, target, 2))
      expectSame(
        target.subarray(2, 2 + count * dimension),
        vectors.subarray(first * dimension, (first + count) * dimension),
      );
    else whole = false;
  };
  for (let i = 0; i < 5; i++) check(random.below(ref.rowCount), 1);
  check(0, ref.rowCount);
  check(ref.rowCount - 1, 1);
  const notes = file.notes(ref.key);
  if (!notes) return false;
  expectSame(notes.present.words, present.words);
  expectSame(
    notes.norms,
    Float64Array.from({ length: ref.rowCount }, (_, row) => vectorNorm(vectors, row * dimension, dimension)),
  );
  return whole;
}

test('rows come back as they were written, from this opener’s file and from the one before', () => {
  for (const [rows, dimension] of [
    [2, 1],
    [33, 3],
    [700, 384],
    [64, 4096],
    [1000, 65],
  ] as const) {
    const handle = new SimulatedFile();
    const file = open(handle);
    const chunks = [chunkOf(rows, dimension), chunkOf(rows + 5, dimension)];
    for (const chunk of chunks) put(file, chunk);
    for (const chunk of chunks) expect(isWhole(file, chunk)).toBe(true);
    expect(file.bytes).toBe(handle.bytes.length);
    file.close();
    const again = open(handle.reopened(), chunks);
    for (const chunk of chunks) expect(isWhole(again, chunk)).toBe(true);
  }
});

test('a file of another database, of another version, or of nothing at all is begun anew', () => {
  const chunk = chunkOf(100, 16);
  const handle = new SimulatedFile();
  put(open(handle), chunk);
  const foreign = open(handle.reopened(), [chunk], UUID.replace('0', '1'));
  expect(foreign.has(chunk.ref.key)).toBe(false);
  expect(foreign.bytes).toBe(DIRECTORY_BYTES);
  for (const bytes of [
    new Uint8Array(),
    new Uint8Array(3),
    Uint8Array.from({ length: 90_000 }, () => random.below(256)),
  ]) {
    const noise = new SimulatedFile();
    noise.bytes = bytes;
    expect(open(noise, [chunk]).bytes).toBe(DIRECTORY_BYTES);
  }
  put(foreign, chunk);
  expect(isWhole(foreign, chunk)).toBe(true);
  const directory = encodeDirectory(UUID, [{ ...chunk.ref, dimension: 16, at: 0, checksum: 1, notesChecksum: 1 }]);
  expect(decodeDirectory(Uint8Array.from(directory), UUID)).toHaveLength(1);
  const json = new TextEncoder().encode(new TextDecoder().decode(directory.subarray(12)).replace('[1,', '[2,'));
  const newer = Uint8Array.from(directory);
  newer.set(json, 12);
  new DataView(newer.buffer).setUint32(8, crc32(json), true);
  expect(decodeDirectory(newer, UUID)).toEqual([]);
});

test('chunks that are no longer there, or were written again under their key, are let go', () => {
  const handle = new SimulatedFile();
  const chunks = [chunkOf(100, 16), chunkOf(100, 16), chunkOf(100, 16)];
  const [kept, gone, changed] = chunks;
  const file = open(handle);
  for (const chunk of chunks) put(file, chunk);
  const again = open(handle.reopened(), [kept!, { ...changed!, ref: { ...changed!.ref, checksum: 1 } }]);
  expect([kept, gone, changed].map((chunk) => again.has(chunk!.ref.key))).toEqual([true, false, false]);
  const { checksum: _, ...old } = kept!.ref;
  expect(open(handle.reopened(), [{ ...kept!, ref: old }]).bytes).toBe(DIRECTORY_BYTES);
});

test('no flipped byte is ever returned', () => {
  const chunks = [chunkOf(300, 48), chunkOf(41, 48)];
  const handle = new SimulatedFile();
  const file = open(handle);
  for (const chunk of chunks) put(file, chunk);
  let missing = 0;
  const inRows = () => DIRECTORY_BYTES + random.below(handle.bytes.length - DIRECTORY_BYTES);
  for (const at of [...Array.from({ length: 300 }, inRows), ...Array(120).keys()]) {
    const damaged = handle.reopened();
    damaged.bytes[at]! ^= 1 << random.below(8);
    const again = open(damaged, chunks);
    for (const chunk of chunks) if (!isWhole(again, chunk)) missing++;
    // What is missing is written again.
    for (const chunk of chunks) put(again, chunk);
    for (const chunk of chunks) expect(isWhole(again, chunk), `byte ${at}`).toBe(true);
  }
  expect(missing).toBeGreaterThan(250);
});

test('a file that ends anywhere has what is whole, and takes the rest again', () => {
  const chunks = Array.from({ length: 4 }, (_, i) => chunkOf(50 + i * 37, 20));
  const handle = new SimulatedFile();
  const file = open(handle);
  for (const chunk of chunks) put(file, chunk);
  for (let i = 0; i < 100; i++) {
    const torn = handle.reopened();
    torn.truncate(i % 4 ? DIRECTORY_BYTES + random.below(handle.bytes.length - DIRECTORY_BYTES) : random.below(300));
    const again = open(torn, chunks);
    for (const chunk of chunks) isWhole(again, chunk);
    for (const chunk of chunks) put(again, chunk);
    for (const chunk of chunks) expect(isWhole(again, chunk)).toBe(true);
  }
});

test('room of chunks that were deleted is used again, and given back at the end', () => {
  let handle = new SimulatedFile();
  let file = open(handle);
  const live = new Map<number, Chunk>();
  let most = 0;
  for (let step = 0; step < 400; step++) {
    if (live.size < 12 && random.below(3) > 0) {
      const chunk = chunkOf(2 + random.below(400), 24);
      put(file, chunk);
      live.set(chunk.ref.key, chunk);
    } else {
      const [key] = [...live.keys()].slice(random.below(live.size || 1));
      if (key !== undefined) file.remove([key]);
      live.delete(key!);
    }
    if (step % 3 === 0) atOnce(file.tidy());
    most = Math.max(most, [...live.values()].length);
    if (step % 40 === 39) {
      file.close();
      handle = handle.reopened();
      file = open(handle, live.values());
    }
    for (const chunk of live.values()) expect(isWhole(file, chunk)).toBe(true);
    expect(file.bytes).toBeLessThan(DIRECTORY_BYTES + most * 3 * 40_000);
  }
  for (const key of live.keys()) file.remove([key]);
  expect(file.bytes).toBe(DIRECTORY_BYTES);
  // Its key is never used again.
  const [late] = live.values();
  put(file, late!);
  expect(file.has(late!.ref.key)).toBe(false);
});

test('what lies at the end is moved into room before it, also while it is read, deleted, or the disk is full', () => {
  for (const fate of ['moved', 'deleted', 'torn', 'full'] as const) {
    const handle = new SimulatedFile();
    const file = open(handle);
    const chunks = Array.from({ length: 5 }, () => chunkOf(2000, 64));
    for (const chunk of chunks) put(file, chunk);
    const [first, second, , , last] = chunks;
    const full = file.bytes;
    file.remove([first!.ref.key]);
    file.remove([second!.ref.key]);
    const moving = file.tidy();
    moving.next();
    expect(isWhole(file, last!)).toBe(true);
    if (fate === 'deleted') file.remove([last!.ref.key]);
    if (fate === 'full') handle.room = 0;
    const halfWay = handle.reopened();
    atOnce(moving);
    if (fate === 'torn') {
      const again = open(halfWay, chunks);
      for (const chunk of chunks.slice(2)) expect(isWhole(again, chunk)).toBe(true);
      atOnce(again.tidy());
      expect(again.bytes).toBe(file.bytes);
      for (const { ref } of chunks) again.remove([ref.key]);
      expect(again.bytes).toBe(DIRECTORY_BYTES);
    }
    if (fate === 'full') expect([file.bytes, handle.bytes.length]).toEqual([0, 0]);
    else {
      for (const chunk of chunks.slice(2, fate === 'deleted' ? 4 : 5)) expect(isWhole(file, chunk)).toBe(true);
      expect(file.bytes - DIRECTORY_BYTES).toBeLessThan((full - DIRECTORY_BYTES) * 0.7);
    }
  }
});

test('two that write at once do not meet, and one that is written twice is there once', () => {
  const file = open(new SimulatedFile());
  const [a, b] = [chunkOf(500, 30), chunkOf(400, 30)];
  const writing = [file.put(a.value), file.put(b.value), file.put(a.value)];
  for (let open = writing.length; open > 0; ) open = writing.filter((work) => !work.next().done).length;
  expect([a, b].map((chunk) => isWhole(file, chunk))).toEqual([true, true]);
  file.remove([a.ref.key]);
  file.remove([b.ref.key]);
  expect(file.bytes).toBe(DIRECTORY_BYTES);
});

test('on a full disk the file goes, at whatever byte that is', () => {
  const chunks = [chunkOf(100, 40), chunkOf(90, 40)];
  for (const room of [0, 99, DIRECTORY_BYTES, ...Array.from({ length: 20 }, (_, i) => DIRECTORY_BYTES + i * 1711)]) {
    const handle = new SimulatedFile();
    handle.room = room;
    const file = open(handle);
    let lost = 0;
    file.onLost = () => lost++;
    for (const chunk of chunks) put(file, chunk);
    if (file.bytes > 0) continue;
    expect(lost).toBeLessThanOrEqual(1);
    expect(handle.bytes).toHaveLength(0);
    expect(handle.isClosed).toBe(true);
    expect(file.bytes).toBe(0);
    for (const { ref } of chunks) expect(file.read(ref.key, 0, 1, new Float32Array(40), 0)).toBe(false);
    put(file, chunks[0]!);
    file.remove([chunks[0]!.ref.key]);
  }
});

test('a file that cannot be read any more has nothing', () => {
  const handle = new SimulatedFile();
  const file = open(handle);
  const chunk = chunkOf(100, 40);
  put(file, chunk);
  handle.close();
  expect(isWhole(file, chunk)).toBe(false);
  expect(file.has(chunk.ref.key)).toBe(false);
});
