// Row files in the browser's own file system: what is in them, what becomes of them, and that answers do not depend on them.
import { type Collection, type Database, deleteDatabase, open, type VectorRecord } from 'piramid';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../src/structures/random.ts';
import { freshName } from './databases.ts';

const DIMENSION = 64;
const random = seededRandom(8);

const vector = () => Float32Array.from({ length: DIMENSION }, () => random.normal());

function records(count: number, first = 0): VectorRecord[] {
  return Array.from({ length: count }, (_, i) => ({ id: first + i, vector: vector() }));
}

const folderOf = async (name: string) =>
  (await navigator.storage.getDirectory()).getDirectoryHandle(`piramid-${encodeURIComponent(name)}.rows`);

async function filesOf(name: string): Promise<FileSystemFileHandle[]> {
  const files: FileSystemFileHandle[] = [];
  for await (const file of (await folderOf(name)).values()) files.push(file as FileSystemFileHandle);
  return files;
}

const openWith = (name: string, memory = 1) => open(name, { device: 'wasm', memory });

function collectionOf(db: Database, quantization: 'int8' | 'binary' = 'int8'): Promise<Collection> {
  return db.collection('c', { dimension: DIMENSION, quantization });
}

const untilInFile = (c: Collection) => expect.poll(async () => (await c.stats()).originals).toBe('file');

async function answersOf(c: Collection, queries: readonly Float32Array[]) {
  const answers = [];
  for (const query of queries)
    for (const exact of [false, true]) {
      const matches = await c.query({ vector: query, k: 20, exact, select: ['vector'] });
      answers.push(matches.map(({ id, score, vector }) => ({ id, score, vector })));
    }
  return answers;
}

test.each(['int8', 'binary'] as const)(
  '%s: answers from a file are those from memory, and so they are when it is opened again',
  async (quantization) => {
    const name = freshName();
    const [some, more] = [records(20_000), records(900, 19_500)];
    const queries = Array.from({ length: 8 }, vector);
    let expected: unknown;
    {
      await using plain = await open(freshName(), { storage: 'memory', device: 'wasm' });
      const c = await collectionOf(plain, quantization);
      for (const part of [some, more]) await c.upsert(part);
      await c.delete({ ids: [3, 4, 5] });
      expected = await answersOf(c, queries);
    }
    {
      await using db = await openWith(name);
      const c = await collectionOf(db, quantization);
      for (const part of [some, more]) await c.upsert(part);
      await c.delete({ ids: [3, 4, 5] });
      await untilInFile(c);
      expect(await answersOf(c, queries)).toEqual(expected);
      const { memory } = await db.stats();
      expect(memory.limit).toBe(1);
      expect(memory.file).toBeGreaterThan(20_000 * DIMENSION * 4);
      expect(memory.why).toBeUndefined();
    }
    for (let time = 0; time < 2; time++) {
      await using db = await openWith(name);
      const c = await collectionOf(db, quantization);
      expect(await answersOf(c, queries)).toEqual(expected);
      expect((await c.stats()).originals).toBe('file');
      expect((await c.recallCheck({ sample: 10, k: 5 })).recall).toBeGreaterThan(0.5);
      expect(await filesOf(name)).toHaveLength(1);
      await c.compact();
      expect(await answersOf(c, queries)).toEqual(expected);
    }
    // Where there is memory for them, they are there again.
    await using db = await openWith(name, 2 ** 30);
    const c = await collectionOf(db, quantization);
    expect(await answersOf(c, queries)).toEqual(expected);
    expect((await c.stats()).originals).toBe('memory');
  },
);

/** Changes a file while the database is closed. */
async function rewrite(
  file: FileSystemFileHandle,
  change: (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
) {
  const bytes = new Uint8Array(await (await file.getFile()).arrayBuffer());
  const stream = await file.createWritable();
  await stream.write(change(bytes));
  await stream.close();
}

test('a file that was changed, cut off, emptied or exchanged changes no answer', async () => {
  const name = freshName();
  const queries = Array.from({ length: 4 }, vector);
  let expected: unknown;
  {
    await using db = await openWith(name);
    const c = await collectionOf(db);
    await c.upsert(records(20_000));
    await untilInFile(c);
    expected = await answersOf(c, queries);
  }
  const [file] = await filesOf(name);
  const whole = new Uint8Array(await (await file!.getFile()).arrayBuffer());
  const changes: ((bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>)[] = [
    (bytes) => {
      for (let at = 1 << 20; at < bytes.length; at += 20_000) bytes[at]! ^= 1;
      return bytes;
    },
    (bytes) => bytes.slice(0, bytes.length / 2),
    () => new Uint8Array(),
    () => new Uint8Array(99_999).fill(7),
    (bytes) => {
      bytes[20]! ^= 1;
      return bytes;
    },
    () => whole,
  ];
  for (const change of changes) {
    const [current] = await filesOf(name);
    await rewrite(current!, change);
    await using db = await openWith(name);
    const c = await collectionOf(db);
    expect(await answersOf(c, queries)).toEqual(expected);
    expect((await c.stats()).originals).toBe('file');
    expect((await db.stats()).damage).toEqual([]);
  }
});

test('a file that another worker has open is left to it, and deleted once nobody has it', async () => {
  const name = freshName();
  const queries = Array.from({ length: 4 }, vector);
  let expected: unknown;
  {
    await using db = await openWith(name);
    const c = await collectionOf(db);
    await c.upsert(records(9000));
    await untilInFile(c);
    expected = await answersOf(c, queries);
  }
  const [file] = await filesOf(name);
  const holding = `onmessage = async ({ data }) => { self.handle = await data.createSyncAccessHandle(); postMessage(0); }`;
  const holder = new Worker(URL.createObjectURL(new Blob([holding])));
  await new Promise((resolve) => {
    holder.onmessage = resolve;
    holder.postMessage(file);
  });
  {
    await using db = await openWith(name);
    const c = await collectionOf(db);
    expect(await answersOf(c, queries)).toEqual(expected);
    expect(await filesOf(name)).toHaveLength(2);
    expect((await c.stats()).originals).toBe('file');
  }
  holder.terminate();
  await expect
    .poll(async () => {
      await using db = await openWith(name);
      const c = await collectionOf(db);
      expect(await answersOf(c, queries)).toEqual(expected);
      return (await filesOf(name)).length;
    })
    .toBe(1);
});

test('compaction and deletions give room back, and the files go with the database', async () => {
  const name = freshName();
  {
    await using db = await openWith(name);
    const c = await collectionOf(db);
    await c.upsert(records(20_000));
    await untilInFile(c);
    const fileBytes = async () => (await (await filesOf(name))[0]!.getFile()).size;
    const full = await fileBytes();
    expect(full).toBe((await db.stats()).memory.file);
    await c.delete({ ids: Array.from({ length: 19_000 }, (_, i) => i) });
    await c.compact();
    await expect.poll(fileBytes).toBeLessThan(full / 2);
    expect((await c.query({ vector: vector(), k: 5 })).length).toBe(5);
    await db.deleteCollection('c');
    await expect.poll(fileBytes).toBe(1 << 20);
    await expect(deleteDatabase(name)).rejects.toMatchObject({ code: 'BLOCKED' });
  }
  await expect.poll(() => deleteDatabase(name)).toBe(true);
  await expect(folderOf(name)).rejects.toMatchObject({ name: 'NotFoundError' });
});

test('who has room in memory has no file', async () => {
  const name = freshName();
  await using db = await open(name, { device: 'wasm' });
  const c = await collectionOf(db);
  await c.upsert(records(3000));
  expect((await c.stats()).originals).toBe('memory');
  const { limit, bytes, file } = (await db.stats()).memory;
  expect(limit).toBeGreaterThanOrEqual(256 << 20);
  expect(bytes).toBeGreaterThan(3000 * DIMENSION * 4);
  expect(file).toBe(0);
  await expect(folderOf(name)).rejects.toMatchObject({ name: 'NotFoundError' });
});
