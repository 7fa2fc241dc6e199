// What two witnesses say of a database, where they do not say the same.
import { afterEach, expect, test, vi } from 'vitest';
import { type Testimony, Witness } from '../../src/api/witness.ts';

const seen = (changes: Partial<Testimony> = {}): Testimony => ({
  uuid: 'a',
  generation: 5,
  log: 9,
  records: 20,
  ...changes,
});

/** A browser whose localStorage and whose file say so. What it is told last is in `told`. */
function browser(local: Testimony | null, file: Testimony | null) {
  const told = { local: '', file: '' };
  vi.stubGlobal('localStorage', {
    getItem: () => local && JSON.stringify(local),
    setItem: (_: string, value: string) => {
      told.local = value;
    },
  });
  const handle = {
    getFile: async () => ({ text: async () => JSON.stringify(file) }),
    createWritable: async () => ({
      write: async (value: string) => {
        told.file = value;
      },
      close: async () => {},
    }),
  };
  vi.stubGlobal('navigator', { storage: { getDirectory: async () => ({ getFileHandle: async () => handle }) } });
  return told;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

const cases: [what: string, local: Testimony | null, file: Testimony | null, loss: unknown][] = [
  ['nothing to say', null, null, null],
  ['what is there', seen(), seen(), null],
  ['less than there is', seen({ generation: 4 }), seen({ log: 1 }), null],
  [
    'manifests that are missing',
    seen({ generation: 4 }),
    seen({ generation: 6, records: 30 }),
    { what: 'writes', recordsBefore: 30, recordsNow: 20 },
  ],
  [
    'entries of the log that are missing',
    seen({ log: 10, records: 21 }),
    null,
    { what: 'writes', recordsBefore: 21, recordsNow: 20 },
  ],
  ['another database', null, seen({ uuid: 'b', records: 7 }), { what: 'everything', recordsBefore: 7, recordsNow: 20 }],
  ['another database without records', seen({ uuid: 'b', records: 0 }), null, null],
  ['another database in one place, from before this one', seen({ uuid: 'b', generation: 50 }), seen(), null],
];

test.each(cases)('of %s', async (_, local, file, loss) => {
  const told = browser(local, file);
  const witness = new Witness('x', async () => seen());
  expect(await witness.examine()).toEqual(loss);
  await witness.close();
  // From now on, both know what there is.
  expect(told).toEqual({ local: JSON.stringify(seen()), file: JSON.stringify(seen()) });
});

test('of an encrypted database nobody learns how many records it has', async () => {
  const told = browser(seen({ generation: 6, records: 1, isSecret: true }), null);
  const witness = new Witness('x', async () => seen({ records: 345, isSecret: true }));
  expect(await witness.examine()).toEqual({ what: 'writes', recordsNow: 345 });
  await witness.close();
  expect(told.local + told.file).not.toContain('345');
  expect(JSON.parse(told.local)).toEqual(seen({ records: 1, isSecret: true }));
});

test('a database that is closed before it has answered is not taken for a lost one', async () => {
  browser(seen(), seen());
  const witness = new Witness('x', () => Promise.reject(new Error('closed')));
  expect(await witness.examine()).toBeNull();
  witness.note();
  await witness.close();
});
