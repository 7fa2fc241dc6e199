// Crashes, failing calls and flipped bits on a simulated disk, at every place where they can happen.
import { expect, test } from 'vitest';
import { PiramidError } from '../../src/errors.ts';
import { HEADER_BYTES } from '../../src/store/format.ts';
import { BALLAST_KEY, FENCE_KEY, type StoreName } from '../../src/store/schema.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { Disk, type DiskState, type Fault } from './disk.ts';
import { checkQueries, contents, drawOperation, EMPTY, fingerprint, type Model, openEngine } from './machine.ts';
import { report, SEED, trials } from './report.ts';

const POINTS = trials('PIRAMID_CRASH_POINTS', 10_000);
const OPERATIONS = trials('PIRAMID_FAILING_OPERATIONS', 200);
const FLIPS = trials('PIRAMID_FLIPS', 2000);
const RUNS = trials('PIRAMID_MODEL_RUNS', 2000);

const nextTask = () => new Promise((resolve) => setImmediate(resolve));

test('a crash at any moment leaves all that was acknowledged, and nothing of what was not begun', async () => {
  let count = 0;
  let lost = 0;
  let corrupt = 0;
  for (let seed = SEED; count < POINTS; seed++) {
    const random = seededRandom(seed);
    const disk = new Disk();
    let engine = await openEngine(disk);
    let model = EMPTY;
    /** What the database may hold should it crash now. */
    let possible: Model[] = [model];
    const points: { state: DiskState; possible: Model[] }[] = [];
    disk.onCommit = () => points.push({ state: disk.state, possible });
    for (let i = 0; i < 80; i++) {
      if (random.below(20) === 0) engine = await openEngine(disk);
      const operation = drawOperation(random, model);
      const after = operation.apply(model);
      possible = [model, after];
      await operation.run(engine);
      model = after;
      possible = [model];
      points.push({ state: disk.state, possible });
      await nextTask();
    }
    for (const { state, possible: allowed } of points.slice(0, POINTS - count)) {
      count++;
      const survivor = new Disk(state);
      const recovered = await openEngine(survivor);
      const found = await contents(recovered);
      if (!allowed.map(fingerprint).includes(fingerprint(found))) {
        if ([...allowed[0]!.values()].some((records) => records.size > 0)) lost++;
        else corrupt++;
        console.log(`seed ${seed}, point ${count}`);
        continue;
      }
      // It goes on: another write, another crash.
      if (count % 5 !== 0) continue;
      const operation = drawOperation(random, found);
      await operation.run(recovered);
      const again = await contents(await openEngine(new Disk(survivor.state)));
      if (fingerprint(again) !== fingerprint(operation.apply(found))) lost++;
    }
  }
  report('crash-points', { count, lost, corrupt, hung: 0 });
}, 900_000);

test.each<{ name: string; fault: Fault }>([
  { name: 'quota', fault: { what: 'quota' } },
  { name: 'failed-call', fault: { what: 'failed' } },
  { name: 'lost-connection', fault: { what: 'lost connection', arrived: false } },
  { name: 'lost-answer', fault: { what: 'lost connection', arrived: true } },
])(
  'a call to the storage that fails ($name), whichever it is, fails its write alone',
  async ({ name, fault }) => {
    let count = 0;
    let lost = 0;
    let corrupt = 0;
    const random = seededRandom(SEED);
    const trace = new Disk();
    const engine = await openEngine(trace);
    let before = EMPTY;
    for (let i = 0; i < OPERATIONS; i++) {
      const operation = drawOperation(random, before);
      const after = operation.apply(before);
      const start = trace.state;
      for (let failAt = 0, failed = true; failed; failAt++) {
        const disk = new Disk(start);
        const victim = await openEngine(disk);
        await contents(victim); // in memory, as in the middle of a day
        let commits = 0;
        failed = false;
        disk.faultOf = (call) => {
          if (call !== 'commit' || commits++ !== failAt) return null;
          failed = true;
          return fault;
        };
        const error = await operation.run(victim).then(
          () => null,
          (reason: unknown) => reason,
        );
        if (!failed) break;
        count++;
        disk.faultOf = () => null;
        if (error !== null && !(error instanceof PiramidError)) corrupt++;
        // What failed has not happened; what did not fail has, whatever housekeeping failed behind it.
        const now = await contents(victim);
        if (fingerprint(now) !== fingerprint(error === null ? after : before)) lost++;
        if (fault.what === 'quota') await victim.retryWrites();
        // It goes on, and what was said to have failed does not come back beside what is written next.
        const next = drawOperation(random, now);
        let hasWritten = false;
        disk.onCommit = () => {
          hasWritten = true;
        };
        await next.run(victim);
        const found = fingerprint(await contents(await openEngine(new Disk(disk.state))));
        // Until something is written, nobody can tell whether a write without an answer has arrived.
        const isInDoubt = fault.what === 'lost connection' && fault.arrived && !hasWritten;
        if (found !== fingerprint(next.apply(now)) && !(isInDoubt && found === fingerprint(after))) {
          lost++;
          console.log(`operation ${i}, commit ${failAt}: ${operation.name}`);
        }
      }
      await operation.run(engine);
      before = after;
      await nextTask();
    }
    report(name, { count, lost, corrupt, hung: 0 });
  },
  900_000,
);

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
  // Two hold nothing of the database's: the reserve, and the fence, which every opener writes anew.
  const holding = values.filter(
    ({ store, key }) => !(store === 'chunks' && key === BALLAST_KEY) && !(store === 'manifest' && key === FENCE_KEY),
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

test('any sequence of up to 100 operations, reopenings and second openers gives what a plain model gives', async () => {
  let count = 0;
  for (let seed = SEED; count < RUNS; seed++, count++) {
    const random = seededRandom(1_000_000 + seed);
    const disk = new Disk();
    let engine = await openEngine(disk);
    let model = EMPTY;
    const steps = 1 + random.below(100);
    try {
      for (let i = 0; i < steps; i++) {
        const chance = random.below(30);
        if (chance === 0)
          engine = await openEngine(disk); // a crash, or another tab that takes over
        else if (chance === 1) {
          const older = engine;
          engine = await openEngine(disk);
          const operation = drawOperation(random, model);
          const refused = await operation.run(older).then(
            () => null,
            (error: PiramidError) => error.code,
          );
          // What changes nothing needs no leave; all else belongs to the newer opener.
          if (refused === null) expect(fingerprint(operation.apply(model))).toBe(fingerprint(model));
          else expect(refused).toBe('BLOCKED');
        } else if (chance < 6) await checkQueries(engine, model, random);
        else {
          const operation = drawOperation(random, model);
          model = operation.apply(model);
          await operation.run(engine);
        }
      }
      expect(fingerprint(await contents(engine))).toBe(fingerprint(model));
      const reopened = await openEngine(disk);
      expect(fingerprint(await contents(reopened))).toBe(fingerprint(model));
      await checkQueries(reopened, model, random);
    } catch (error) {
      console.log(`seed ${seed}`);
      throw error;
    }
    if (count % 20 === 0) await nextTask();
  }
  report('model', { count, lost: 0, corrupt: 0, hung: 0 });
}, 900_000);
