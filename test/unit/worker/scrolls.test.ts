// Pages of a collection that is written to meanwhile: each record that was there at the beginning and still is comes once, as it is now.
import { expect, test } from 'vitest';
import { Bitset } from '../../../src/structures/bitset.ts';
import { seededRandom } from '../../../src/structures/random.ts';
import { Renumbering } from '../../../src/structures/renumbering.ts';
import type { RecordId } from '../../../src/types.ts';
import type { LocalEngine } from '../../../src/worker/engine.ts';
import { Scrolls } from '../../../src/worker/scrolls.ts';
import { Disk } from '../../faults/disk.ts';
import { openEngine } from '../../faults/machine.ts';
import { records, request } from '../transfer/files.ts';

let call = 0;

async function open(engine: LocalEngine): Promise<number> {
  return (await engine.openCollection('c', request({ dimension: null }), ++call)).id;
}

function write(engine: LocalEngine, id: number, ids: readonly RecordId[], v: number): Promise<void> {
  const metadata = ids.map(() => JSON.stringify({ v, even: v % 2 === 0 }));
  return engine.upsert(id, records({ ids: [...ids], metadata }), 'upsert', ++call);
}

async function page(
  engine: LocalEngine,
  id: number,
  cursor: string | null,
  limit: number,
  where: object | null = null,
) {
  const request = { where: where as never, limit, cursor, select: ['metadata'] } as const;
  const { ids, rows, next } = await engine.scroll(id, request);
  return { next, records: ids.map((rid, i): [RecordId, number] => [rid, (rows.metadata![i] as { v: number }).v]) };
}

test('a scroll ends that writes all that it reads, and sees each record once', async () => {
  const engine = await openEngine(new Disk());
  const id = await open(engine);
  const ids = Array.from({ length: 253 }, (_, i) => i);
  await write(engine, id, ids, 0);
  for (const again of ['upsert', 'update'] as const) {
    const seen: RecordId[] = [];
    let pages = 0;
    for (let cursor: string | null = null; pages === 0 || cursor; pages++) {
      const { records: found, next }: Awaited<ReturnType<typeof page>> = await page(engine, id, cursor, 10);
      const read = found.map(([rid]) => rid);
      seen.push(...read);
      if (again === 'upsert') await write(engine, id, read, 1);
      else await engine.update(id, { ids: read }, { set: { v: 2 } }, ++call);
      cursor = next;
    }
    expect(pages).toBe(26);
    expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual(ids);
  }
});

test('whatever is written, compacted and opened again in between, for filters, and pages that are asked for twice', async () => {
  let crossed = 0;
  for (let seed = 0; seed < 150; seed++) {
    const random = seededRandom(seed);
    const disk = new Disk();
    let engine = await openEngine(disk);
    let id = await open(engine);
    const now = new Map<RecordId, number>();
    let version = 0;
    const some = (count: number) => [
      ...new Set(Array.from({ length: 1 + random.below(count) }, () => random.below(60))),
    ];
    const change = async () => {
      const kind = random.below(10);
      const ids = some(20);
      version++;
      if (kind < 5) {
        await write(engine, id, ids, version);
        for (const rid of ids) now.set(rid, version);
      } else if (kind < 7) {
        await engine.update(id, { ids }, { set: { v: version, even: version % 2 === 0 } }, ++call);
        for (const rid of ids) if (now.has(rid)) now.set(rid, version);
      } else {
        await engine.delete(id, { ids }, ++call);
        for (const rid of ids) now.delete(rid);
      }
      return ids;
    };
    for (let i = 0; i < 8; i++) await change();
    const isFiltered = random.below(3) === 0;
    const where = isFiltered ? { even: true } : null;
    const matches = (v: number | undefined) => v !== undefined && (!isFiltered || v % 2 === 0);
    /** Records that have been there all the time, and matched. */
    let steady = new Set([...now].filter(([, v]) => matches(v)).map(([rid]) => rid));
    const seen: RecordId[] = [];
    let cursor: string | null = null;
    let isLost = false;
    do {
      const limit = 1 + random.below(6);
      const { records: found, next }: Awaited<ReturnType<typeof page>> = await page(engine, id, cursor, limit, where);
      for (const [rid, v] of found) expect(v).toBe(now.get(rid)!);
      seen.push(...found.map(([rid]) => rid));
      if (random.below(4) === 0) expect(await page(engine, id, cursor, limit, where)).toEqual({ records: found, next });
      cursor = next;
      for (let i = random.below(3); i > 0; i--) {
        const changed = await change();
        steady = new Set([...steady].filter((rid) => matches(now.get(rid))));
        if (changed.some((rid) => steady.has(rid))) crossed++;
      }
      if (random.below(5) === 0) {
        await engine.compact(id, ++call);
        isLost = true;
      }
      if (random.below(6) === 0 && !isLost) {
        engine = await openEngine(disk);
        id = await open(engine);
      }
    } while (cursor);
    expect(seen.length, `seed ${seed}`).toBe(new Set(seen).size);
    for (const rid of steady) expect(seen, `seed ${seed}`).toContain(rid);
  }
  expect(crossed).toBeGreaterThan(100);
});

test('a record comes once where compaction takes some of its old rows, and leaves others', () => {
  const dead = (length: number, ...rows: number[]) => {
    const set = new Bitset(length);
    for (const row of rows) set.add(row);
    return set;
  };
  const view = (ids: string[], deleted: Bitset) => {
    const row = (id: RecordId) => ids.findLastIndex((other, row) => other === id && !deleted.has(row));
    const id = (row: number) => ids[row]!;
    return { rowCount: ids.length, deleted, id, row, rowNow: (old: number) => row(id(old)) };
  };
  const live = (length: number, deleted: Bitset) => Bitset.full(length).subtract(deleted);
  for (const taken of [2, 3]) {
    const scrolls = new Scrolls(0);
    const before = view(['a', 'b', 'x', 'x'], dead(4, 2));
    const { rows, next } = scrolls.page(null, 1, before, live(4, before.deleted));
    expect(rows).toEqual([0]);
    const after = view(['a', 'b', 'x', 'x', 'x'], dead(5, 2, 3)); // written again, behind the end
    scrolls.renumber(new Renumbering(dead(5, taken)), after);
    const ids = ['a', 'b', 'x', 'x', 'x'].filter((_, row) => row !== taken);
    const now = view(ids, dead(4, 2));
    const rest = scrolls.page(next, 10, now, live(4, now.deleted));
    expect(rest.rows.map((row) => ids[row])).toEqual(['b', 'x']);
  }
});

test('scrolls of one page push out none that is under way', async () => {
  const engine = await openEngine(new Disk());
  const id = await open(engine);
  await write(
    engine,
    id,
    Array.from({ length: 50 }, (_, i) => i),
    0,
  );
  const { next } = await page(engine, id, null, 10);
  await page(engine, id, null, 100); // begins at the same time
  for (let i = 0; i < 20; i++) {
    await write(engine, id, [i], 1);
    expect((await page(engine, id, null, 100)).next).toBeNull();
  }
  await engine.compact(id, ++call);
  const { records: rest } = await page(engine, id, next, 100);
  expect(rest.map(([rid]) => rid)).toEqual(Array.from({ length: 40 }, (_, i) => i + 10));
});

test('the cursor of a scroll that a compaction could not keep is refused, and says what to do', async () => {
  const disk = new Disk();
  const engine = await openEngine(disk);
  const id = await open(engine);
  await write(
    engine,
    id,
    Array.from({ length: 50 }, (_, i) => i),
    0,
  );
  const { next } = await page(engine, id, null, 10);
  await engine.delete(id, { ids: [3] }, ++call);
  await engine.compact(id, ++call);
  expect((await page(engine, id, next, 100)).records.length).toBe(40);
  const reopened = await openEngine(disk);
  const again = await open(reopened);
  await expect(page(reopened, again, next, 10)).rejects.toThrow(/^stale cursor: .*start again without a cursor/);
  await expect(page(reopened, again, '1.9999999999.0', 10)).rejects.toThrow(/start again/);
});
