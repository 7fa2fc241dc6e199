// Exports and imports through the public API: in real IndexedDB, from a tab that follows, and where the leader goes away.
import { type Database, open } from 'piramid';
import { importFvecs, importJsonl } from 'piramid/import';
import { describe, expect, test } from 'vitest';
import { codeOf, freshName, openFresh, records } from './databases.ts';

async function filled(db: Database, count = 20_000): Promise<void> {
  const c = await db.collection('c', { dimension: 3, quantization: 'int8' });
  await c.upsert(records(count));
  await c.delete({ ids: ['r3', 'r4'] });
  await (await db.collection('words', {})).upsert([
    { id: 1, text: 'a pyramid of words', metadata: { at: new Date(5) } },
  ]);
}

const blobOf = (stream: ReadableStream<Uint8Array<ArrayBuffer>>) => new Response(stream).blob();

async function everything(db: Database) {
  const all = [];
  for (const info of await db.listCollections()) {
    const c = await db.collection(info.name);
    all.push(info, await (await c.scroll({ limit: 10_000 })).records, [
      ...(await c.query({ keywords: 'pyramid 17', k: 20 })),
    ]);
    if (c.dimension) all.push([...(await c.query({ vector: [1, 7, 0], k: 20 }))]);
  }
  return all;
}

describe('a database', () => {
  test('goes into a file and comes back the same, whoever asks for it', async () => {
    const name = freshName();
    await using leader = await open(name, { device: 'wasm' });
    await using follower = await open(name, { device: 'wasm' });
    await filled(leader, 4000);
    const steps: number[] = [];
    const file = await blobOf(follower.export({ onProgress: ({ done, total }) => steps.push(done / total) }));
    expect(steps.at(-1)).toBe(1);
    expect(steps).toEqual(steps.toSorted((a, b) => a - b));

    const other = freshName();
    {
      await using first = await open(other, { device: 'wasm' });
      await using second = await open(other, { device: 'wasm' });
      const imported = await second.import(file, { onProgress: ({ done, total }) => steps.push(done / total) });
      expect(imported).toEqual({ collections: ['c', 'words'], records: 3999 });
      expect(steps.at(-1)).toBe(1);
      expect(await everything(first)).toEqual(await everything(leader));
      expect(await codeOf(first.import(file))).toBe('CONFLICT');
    }
    await using again = await open(other, { device: 'wasm' });
    expect(await everything(again)).toEqual(await everything(leader));
    expect(await blobOf(again.export({ collections: ['words'] })).then((blob) => blob.size)).toBeLessThan(1000);
  });

  test('is exported as it was at the moment of the call, at the speed of its reader', async () => {
    await using db = await openFresh();
    await filled(db);
    const stream = db.export({ collections: ['c'] });
    const reader = stream.getReader();
    const blocks = [(await reader.read()).value!];
    await db.deleteCollection('c');
    await db.collection('c', { dimension: 2 });
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      blocks.push(value);
    }
    await using other = await openFresh();
    expect((await other.import(new Blob(blocks))).records).toBe(19_998);
  });

  test('refuses what is no export and what is no stream, and cancels the stream', async () => {
    await using db = await openFresh();
    await filled(db, 10);
    let cancelled = false;
    const endless = new ReadableStream({
      pull: (controller) => controller.enqueue(new Uint8Array(100_000).fill(7)),
      cancel: () => {
        cancelled = true;
      },
    });
    await expect(db.import(endless)).rejects.toThrow(/^block 0: .*no file that Piramid exported/);
    expect(cancelled).toBe(true);
    expect(await codeOf(db.import(new Blob([])))).toBe('INVALID_FILE');
    expect(await codeOf(db.import('a string' as never))).toBe('INVALID_ARGUMENT');
    const strings = new ReadableStream({ pull: (controller) => controller.enqueue('text') });
    expect(await codeOf(db.import(strings))).toBe('INVALID_ARGUMENT');
    expect(
      await codeOf(
        db
          .export({ collections: ['missing'] })
          .getReader()
          .read(),
      ),
    ).toBe('NOT_FOUND');
    expect(() => db.export({ collections: 'c' as never })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });

  test('stops an import or an export when its signal says so, and is as it was', async () => {
    await using source = await openFresh();
    await filled(source);
    const file = await blobOf(source.export());
    await using db = await openFresh();
    const controller = new AbortController();
    const importing = db.import(file, {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    expect(await codeOf(importing)).toBe('ABORTED');
    expect(await db.listCollections()).toEqual([]);
    expect((await db.import(file)).records).toBe(19_999);

    const stop = new AbortController();
    const reader = db.export({ signal: stop.signal }).getReader();
    await reader.read();
    stop.abort();
    expect(await codeOf(reader.read())).toBe('ABORTED');
    const stream = db.export();
    await stream.cancel();
    // The checksum at its end is a number of up to ten digits.
    expect(Math.abs((await blobOf(db.export())).size - file.size)).toBeLessThan(10);
  });

  test('says so where its leader goes in the middle, and the next try succeeds', async () => {
    const name = freshName();
    const leader = await open(name, { device: 'wasm' });
    await using follower = await open(name, { device: 'wasm' });
    await filled(leader);
    const file = await blobOf(leader.export());
    const reader = follower.export().getReader();
    await reader.read();
    const pieces = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        async pull(controller) {
          // The first piece has been worked in when the source is asked for more than the second.
          if (sent === 2) await leader.close();
          const start = sent++ * (1 << 20);
          if (start > file.size) controller.close();
          else controller.enqueue(new Uint8Array(await file.slice(start, start + (1 << 20)).arrayBuffer()));
        },
      },
      { highWaterMark: 0 },
    );
    let sent = 0;
    await follower.renameCollection('c', 'd');
    await follower.renameCollection('words', 'texts');
    await expect(follower.import(pieces)).rejects.toThrow(/^the import .*begin it again/);
    await expect(
      (async () => {
        while (!(await reader.read()).done);
      })(),
    ).rejects.toThrow(/^the export .*begin it again/);
    expect((await follower.listCollections()).map((info) => info.name)).toEqual(['d', 'texts']);
    expect((await follower.import(file)).records).toBe(19_999);
  });
});

test('files of other programs go into a collection', async () => {
  await using db = await openFresh();
  const c = await db.collection('c', { dimension: 2 });
  const lines = ['{"id":"a","vector":[1,0],"text":"first","metadata":{"n":1}}', '{"id":"b","vector":[0,1]}'];
  expect(await importJsonl(c, new Blob([lines.join('\n')]))).toBe(2);
  const vectors = new Blob([Int32Array.of(2), Float32Array.of(3, 4), Int32Array.of(2), Float32Array.of(5, 6)]);
  expect(await importFvecs(c, vectors.stream())).toBe(2);
  expect(await c.count()).toBe(4);
  expect((await c.get([1, 'a'])).map(({ vector, text }) => [[...vector!], text])).toEqual([
    [[5, 6], undefined],
    [[1, 0], 'first'],
  ]);
  await expect(importJsonl(c, new Blob(['{"id":"x","vector":[1]}']))).rejects.toThrow(/^line 1 to line 1: record "x"/);
});
