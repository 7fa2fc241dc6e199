// Reads of the storage that fail, each of them once: what reads the database then fails or tries again, takes nothing for damaged
// that is not, and goes on as if nothing had been.
import { expect, test } from 'vitest';
import { PiramidError } from '../../src/errors.ts';
import type { EngineQuery } from '../../src/protocol.ts';
import { KINDS, type Kind } from '../../src/store/format.ts';
import { seededRandom } from '../../src/structures/random.ts';
import type { RecordId } from '../../src/types.ts';
import type { LocalEngine } from '../../src/worker/engine.ts';
import { exported, joined, newCall } from '../unit/transfer/files.ts';
import { Disk, type DiskState, type Fault } from './disk.ts';
import {
  contents,
  drawOperation,
  EMPTY,
  fingerprint,
  type Model,
  type ModelRecord,
  openEngine,
  openExisting,
} from './machine.ts';
import { report, SEED, trials } from './report.ts';

const DATABASES = trials('PIRAMID_READ_DATABASES', 3);

/** A call that takes longer has not settled. */
const SETTLE_MS = 30_000;

interface Action {
  name: string;
  /** Before anything fails. @default nothing */
  before?(engine: LocalEngine, disk: Disk): Promise<void>;
  run(engine: LocalEngine): Promise<unknown>;
  /** What it makes of the model. @default nothing */
  apply?(model: Model): Model;
}

const QUERY: EngineQuery = {
  vector: Float32Array.of(1, 2, -1, 0),
  embed: null,
  words: 'word3 word4',
  k: 20,
  offset: 0,
  minScore: null,
  where: { n: { $lt: 8 } },
  fusion: { rrf: {} },
  select: ['text', 'metadata', 'vector'],
  exact: false,
  oversample: 1,
  explain: false,
};
const RECORD: ModelRecord & { vector: number[]; text: string } = {
  vector: [1, 2, 3, 4],
  text: 'new',
  metadata: { n: 1 },
};

async function upsert(engine: LocalEngine, id: string): Promise<void> {
  const { vector, text, metadata } = RECORD;
  const records = {
    ids: [id],
    vectors: Float32Array.from(vector),
    sources: null,
    texts: [text],
    metadata: [JSON.stringify(metadata)],
  };
  await engine.upsert(await openExisting(engine, 'a'), records, 'upsert', newCall());
}

function withNew(model: Model): Model {
  return new Map([...model, ['a', new Map([...model.get('a')!, ['new', RECORD]])]]);
}

/** Each is carried out by an engine that has read nothing yet but what opening reads. */
const ACTIONS: Action[] = [
  { name: 'opening', run: (engine) => engine.listCollections() },
  { name: 'everything', run: async (engine) => fingerprint(await contents(engine)) },
  {
    name: 'a query',
    run: async (engine) => {
      const answers = [];
      for (const { name } of await engine.listCollections()) {
        const [answer] = await engine.query(await openExisting(engine, name), [QUERY], newCall());
        answers.push(answer!.ids, answer!.scores, answer!.rows);
      }
      return answers;
    },
  },
  {
    name: 'facets',
    run: async (engine) => engine.facets(await openExisting(engine, 'a'), { field: 'n', where: null, limit: 20 }),
  },
  { name: 'a write', run: (engine) => upsert(engine, 'new'), apply: withNew },
  {
    name: 'a write after one that failed and arrived all the same',
    async before(engine, disk) {
      await openExisting(engine, 'a');
      disk.faultOf = (call) => (call === 'commit' ? { what: 'lost connection', arrived: true } : null);
      await upsert(engine, 'lost').catch(() => {});
      disk.faultOf = () => null;
    },
    run: (engine) => upsert(engine, 'new'),
    apply: withNew,
  },
  {
    name: 'an update',
    run: async (engine) =>
      engine.update(await openExisting(engine, 'a'), { where: { n: { $gte: 0 } } }, { set: { v: 1 } }, newCall()),
    apply: (model) => {
      const records = [...model.get('a')!].map(
        ([id, record]) =>
          [id, record.metadata ? { ...record, metadata: { ...record.metadata, v: 1 } } : record] as const,
      );
      return new Map([...model, ['a', new Map(records)]]);
    },
  },
  {
    name: 'an update that writes records again',
    run: async (engine) =>
      engine.update(await openExisting(engine, 'a'), { where: { n: { $gte: 0 } } }, { text: 'new' }, newCall()),
    apply: (model) => {
      const untouched = [...model.get('a')!].filter(([, { metadata }]) => metadata === null);
      const changed = [...model.get('a')!].filter(([, { metadata }]) => metadata !== null);
      const records = changed.map(([id, { context: _, ...record }]): [RecordId, ModelRecord] => [
        id,
        { ...record, text: 'new' },
      ]);
      return new Map([...model, ['a', new Map([...untouched, ...records])] as const]);
    },
  },
  {
    name: 'a compaction',
    run: async (engine) => (await engine.compact(await openExisting(engine, 'a'), newCall())).rows,
  },
  { name: 'an export', run: async (engine) => Buffer.from(joined(await exported(engine))).toString('base64') },
  { name: 'a repair', run: (engine) => engine.repair(newCall()) },
];

interface Written {
  state: DiskState;
  model: Model;
}

/** A database in which there is a value of every kind, and what it holds. */
async function written(seed: number): Promise<Written> {
  const random = seededRandom(seed);
  const disk = new Disk();
  const engine = await openEngine(disk);
  const kinds: Kind[] = ['ids', 'vectors', 'codes', 'metadata', 'text', 'postings', 'tombstones', 'patches'];
  const hasAll = () => {
    const stored = new Set([...disk.state.get('chunks')!.values()].map((value) => new DataView(value).getUint8(5)));
    return kinds.every((kind) => stored.has(KINDS[kind])) && disk.state.get('log')!.size > 2;
  };
  let model = EMPTY;
  for (let i = 0; i < 50 || model.size < 2 || !hasAll(); i++) {
    const operation = drawOperation(random, model);
    if (operation.name.endsWith('large')) continue; // what is read, not how much
    model = operation.apply(model);
    await operation.run(engine);
  }
  return { state: disk.state, model };
}

const HUNG = Symbol('hung');

interface Outcome<T = unknown> {
  value?: T | typeof HUNG;
  error?: unknown;
}

async function outcomeOf<T>(run: Promise<T>): Promise<Outcome<T>> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<typeof HUNG>((resolve) => {
    timer = setTimeout(() => resolve(HUNG), SETTLE_MS);
  });
  try {
    return { value: await Promise.race([run, late]) };
  } catch (error) {
    return { error };
  } finally {
    clearTimeout(timer);
  }
}

test.each<{ name: string; fault: Fault; mayFail: boolean }>([
  { name: 'failed-read', fault: { what: 'failed' }, mayFail: true },
  // Browsers say so of a file that they cannot open for a moment. It is read again.
  { name: 'unreadable-once', fault: { what: 'unreadable' }, mayFail: false },
])(
  'a read of the storage that fails ($name), whichever it is, loses nothing and is not taken for damage',
  async ({ name, fault, mayFail }) => {
    const found = { count: 0, lost: 0, corrupt: 0, hung: 0 };

    /** Carries an action out with a fault at a read. Undefined if there are not so many; null if all is well. */
    async function trial({ state, model }: Written, action: Action, failAt: number, reference: string) {
      const { before, run, apply = () => model } = action;
      const disk = new Disk(state);
      let reads = 0;
      let failed = false;
      const arm = () => {
        disk.faultOf = (call) => {
          const isRead = call === 'read' || (call === 'keys' && fault.what === 'failed');
          if (!isRead || reads++ !== failAt) return null;
          failed = true;
          return fault;
        };
      };
      if (action.name === 'opening') arm();
      const opening = await outcomeOf(openEngine(disk));
      if (opening.value === HUNG) return 'hung';
      if (opening.value) await before?.(opening.value, disk);
      if (action.name !== 'opening') arm();
      const { value, error } = opening.value ? await outcomeOf(run(opening.value)) : opening;
      if (!failed) return undefined;
      disk.faultOf = () => null;
      if (value === HUNG) return 'hung';
      const hasFailed = error !== undefined;
      if (hasFailed && !(mayFail && error instanceof PiramidError && error.code === 'STORAGE_FAILED')) return 'corrupt';
      if (!hasFailed && JSON.stringify(value) !== reference) return 'corrupt';
      const engine = opening.value ?? (await openEngine(disk));
      const after = fingerprint(apply(model));
      // What failed has not happened. Sent again, it gives what it would have given.
      if (fingerprint(await contents(engine)) !== (hasFailed ? fingerprint(model) : after)) return 'lost';
      if (hasFailed && JSON.stringify(await run(engine)) !== reference) return 'corrupt';
      const reopened = await openEngine(new Disk(disk.state));
      if (fingerprint(await contents(reopened)) !== after) return 'lost';
      const damage = [...(await engine.stats()).damage, ...(await reopened.stats()).damage];
      return damage.length > 0 ? 'corrupt' : null;
    }

    for (let seed = SEED; seed < SEED + DATABASES; seed++) {
      const database = await written(seed);
      for (const action of ACTIONS) {
        const disk = new Disk(database.state);
        const engine = await openEngine(disk);
        await action.before?.(engine, disk);
        const reference = JSON.stringify(await action.run(engine));
        for (let failAt = 0; ; failAt++) {
          const wrong = await trial(database, action, failAt, reference);
          if (wrong === undefined) break;
          found.count++;
          if (!wrong) continue;
          found[wrong]++;
          console.log(`seed ${seed}, ${action.name}, read ${failAt}: ${wrong}`);
        }
      }
    }
    expect(found.count).toBeGreaterThan(DATABASES * ACTIONS.length * 5);
    report(name, found);
  },
);
