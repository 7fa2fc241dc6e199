// A database and a plain model of it go the same random way, through reopenings and second openers.
import { expect, test } from 'vitest';
import type { PiramidError } from '../../src/errors.ts';
import { seededRandom } from '../../src/structures/random.ts';
import { Disk } from './disk.ts';
import { checkQueries, contents, drawOperation, EMPTY, fingerprint, nextTask, openEngine } from './machine.ts';
import { report, SEED, trials } from './report.ts';

const RUNS = trials('PIRAMID_MODEL_RUNS', 2000);

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
