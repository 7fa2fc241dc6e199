// Flipped bits on a simulated disk: in every byte of every header, and anywhere.
import { test } from 'vitest';
import { PiramidError } from '../../src/errors.ts';
import { HEADER_BYTES } from '../../src/store/format.ts';
import { BALLAST_KEY, FENCE_KEY_FIRST, type StoreName } from '../../src/store/schema.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { Disk } from './disk.ts';
import { contents, drawOperation, EMPTY, fingerprint, type Model, openEngine } from './machine.ts';
import { report, SEED, trials } from './report.ts';

const FLIPS = trials('PIRAMID_FLIPS', 2000);

test('a flipped bit is found, wherever it is', async () => {
  const written: Written = new Map();
  const random = seededRandom(SEED);
  const disk = new Disk();
  const engine = await openEngine(disk);
  let model = EMPTY;
  for (let i = 0; i < 60; i++) {
    const operation = drawOperation(random, model);
    model = operation.apply(model);
    addTo(written, model);
    await operation.run(engine);
  }
  const values = [...disk.state].flatMap(([store, byKey]) => [...byKey.keys()].map((key) => ({ store, key })));
  // Two hold nothing of the database's: the reserve, and fences, which are never read.
  const holding = values.filter(
    ({ store, key }) =>
      !(store === 'chunks' && key === BALLAST_KEY) && !(store === 'manifest' && key >= FENCE_KEY_FIRST),
  );
  const flips: { store: StoreName; key: number; byte: number; bit: number }[] = [];
  for (const place of holding)
    for (let byte = 0; byte < HEADER_BYTES; byte++) flips.push({ ...place, byte, bit: random.below(8) });
  for (let i = 0; i < FLIPS; i++) {
    const place = holding[random.below(holding.length)]!;
    const { byteLength } = disk.state.get(place.store)!.get(place.key)!;
    flips.push({ ...place, byte: random.below(byteLength), bit: random.below(8) });
  }
  let lost = 0;
  let corrupt = 0;
  for (const { store, key, byte, bit } of flips) {
    const damaged = disk.state.get(store)!.get(key)!.slice(0);
    new Uint8Array(damaged)[byte]! ^= 1 << bit;
    const state = new Map([...disk.state].map(([name, byKey]) => [name, new Map(byKey)]));
    state.get(store)!.set(key, damaged);
    try {
      const opened = await openEngine(new Disk(state));
      const found = await contents(opened);
      const { damage } = await opened.stats();
      const isSame = fingerprint(found) === fingerprint(model);
      // Garbage is not needed. The manifest is there twice, and what is wrong with one of the two is told.
      if (!isSame && (damage.length === 0 || store === 'manifest')) lost++;
      if (store === 'manifest' && damage.length === 0) lost++;
      if (!isSame && !isOf(written, found)) corrupt++;
    } catch (error) {
      if (store === 'manifest') lost++;
      if (!(error instanceof PiramidError) || !['CORRUPT', 'NEWER_FORMAT'].includes(error.code)) {
        corrupt++;
        console.log(`${store} ${key} byte ${byte} bit ${bit}: ${error}`);
      }
    }
  }
  report('flipped-bits', { count: flips.length, lost, corrupt, hung: 0 });
}, 900_000);

/** What fields of records have ever been, by collection, id and field: texts as they are (they may be long), all else as JSON. */
type Written = Map<string, Set<unknown>>;

const asKept = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value));

function addTo(written: Written, model: Model): void {
  for (const [name, records] of model)
    for (const [id, record] of records)
      for (const [field, value] of Object.entries(record)) {
        const key = `${name} ${id} ${field}`;
        written.set(key, (written.get(key) ?? new Set()).add(asKept(value)));
      }
}

/** Whether all that was found was written so: fields may be missing, and older versions be back. */
function isOf(written: Written, found: Model): boolean {
  return [...found].every(([name, records]) =>
    [...records].every(([id, record]) =>
      Object.entries(record).every(
        ([field, value]) => value === null || written.get(`${name} ${id} ${field}`)?.has(asKept(value)),
      ),
    ),
  );
}
