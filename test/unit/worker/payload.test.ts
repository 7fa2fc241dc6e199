import { afterEach, expect, test, vi } from 'vitest';
import { PayloadIndex } from '../../../src/filter/payload-index.ts';
import type { RowBatch } from '../../../src/store/batch.ts';
import type { StoredMetadata } from '../../../src/store/reader.ts';
import { atOnce } from '../../../src/structures/slices.ts';
import { Payload } from '../../../src/worker/payload.ts';

afterEach(() => vi.restoreAllMocks());

test.each(['before it is durable', 'after it'])(
  'a row for which the columns have no memory %s is found once they are built anew',
  async (when) => {
    const stored: StoredMetadata[] = [{ n: 0 }];
    const payload = new Payload(async function* () {
      yield { firstRow: 0, values: [...stored] };
    });
    await payload.ready();
    const batch = { firstRow: 1, rowCount: 1, metadata: ['{"n":1}'] } as unknown as RowBatch;
    vi.spyOn(PayloadIndex.prototype, 'append').mockImplementationOnce(() => {
      throw new RangeError('Array buffer allocation failed');
    });
    if (when === 'before it is durable') {
      atOnce(payload.prepare(batch));
      await payload.ready(); // a filter, meanwhile
    }
    stored.push({ n: 1 });
    payload.append(batch);
    await payload.ready();
    expect([...payload.columns!.evaluate({ n: { $gte: 0 } }, 2)]).toEqual([0, 1]);
  },
);
