// Crashes and failing calls on a simulated disk, at every place where they can happen.
import { test } from 'vitest';
import { PiramidError } from '../../src/errors.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { Disk, type DiskState, type Fault } from './disk.ts';
import { contents, drawOperation, EMPTY, fingerprint, type Model, nextTask, openEngine, settled } from './machine.ts';
import { report, SEED, trials } from './report.ts';

const POINTS = trials('PIRAMID_CRASH_POINTS', 10_000);
const OPERATIONS = trials('PIRAMID_FAILING_OPERATIONS', 200);

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

test.each<{ name: string; fault: Fault; isLasting?: boolean }>([
  { name: 'quota', fault: { what: 'quota' } },
  { name: 'failed-call', fault: { what: 'failed' } },
  { name: 'lost-connection', fault: { what: 'lost connection', arrived: false } },
  { name: 'lost-answer', fault: { what: 'lost connection', arrived: true } },
  { name: 'silence', fault: { what: 'silence', arrived: false } },
  { name: 'silence-after', fault: { what: 'silence', arrived: true } },
  { name: 'stall', fault: { what: 'silence', arrived: false }, isLasting: true },
  { name: 'stall-after', fault: { what: 'silence', arrived: true }, isLasting: true },
])(
  'a call to the storage that fails ($name), whichever it is, fails its write alone',
  async ({ name, fault, isLasting = false }) => {
    let count = 0;
    let lost = 0;
    let corrupt = 0;
    let hung = 0;
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
          if (isLasting && failed) return fault; // reads too, from then on
          if (call !== 'commit' || commits++ !== failAt) return null;
          failed = true;
          return fault;
        };
        const error = await settled(operation.run(victim)).then(
          () => null,
          (reason: unknown) => reason,
        );
        if (!failed) break;
        count++;
        disk.faultOf = () => null;
        if (error instanceof Error && error.message === 'hung') hung++;
        else if (error !== null && !(error instanceof PiramidError)) corrupt++;
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
        await settled(next.run(victim));
        const found = fingerprint(await contents(await openEngine(new Disk(disk.state))));
        // Until something is written, nobody can tell whether a write without an answer has arrived.
        const isInDoubt = 'arrived' in fault && fault.arrived && !hasWritten;
        if (found !== fingerprint(next.apply(now)) && !(isInDoubt && found === fingerprint(after))) {
          lost++;
          console.log(`operation ${i}, commit ${failAt}: ${operation.name}`);
        }
      }
      await operation.run(engine);
      before = after;
      await nextTask();
    }
    report(name, { count, lost, corrupt, hung });
  },
  900_000,
);
