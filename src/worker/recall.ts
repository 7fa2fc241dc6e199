// Measures recall on a collection's own data: asks for the neighbours of some records, and of places between them, as queries do and
// exactly.
import { throwIfAborted } from '../errors.ts';
import type { EngineQuery } from '../protocol.ts';
import { Bitset } from '../structures/bitset.ts';
import { seededRandom } from '../structures/random.ts';
import { nextTask } from '../structures/slices.ts';
import type { RecallCheck, RecordId } from '../types.ts';
import type { CollectionState } from './collection.ts';
import { answerQuery } from './query.ts';

const SEED = 1;
/**
 * A place between records is the middle of so many. That of two is near to both, and as easy as a record; with more than a
 * dozen, all places are the middle of everything.
 */
const AMONG = 8;
/** How long it works before it lets other messages in, milliseconds. */
const TURN_MS = 16;

export async function checkRecall(
  state: CollectionState,
  request: { sample: number; k: number },
  signal: AbortSignal,
): Promise<RecallCheck> {
  const { k } = request;
  const sample = sampleOf(state, request.sample);
  const exactMs: number[] = [];
  const approximateMs: number[] = [];
  let turnEnds = performance.now() + TURN_MS;

  /** Looks for the neighbours of a vector, of which its own records are none. */
  const compare = async (vector: Float32Array, own: readonly RecordId[], tally: Tally) => {
    const ask = async (exact: boolean, times: number[]) => {
      const query: EngineQuery = {
        vector,
        embed: null,
        words: null,
        k: k + own.length, // they find themselves
        offset: 0,
        minScore: null,
        where: null,
        fusion: { rrf: {} },
        select: [],
        exact,
        oversample: 1,
        explain: false,
      };
      const { ids, scores, took } = await answerQuery(state, query, async () => null, signal);
      times.push(took);
      return scores.filter((_, i) => !own.includes(ids[i]!)).subarray(0, k);
    };
    const truth = await ask(true, exactMs);
    const scores = await ask(false, approximateMs);
    // Scores are exact in both, so what is not below the worst of the truth belongs to it or ties with it.
    const least = truth.at(-1) ?? 0;
    tally.found += scores.filter((score) => score >= least).length;
    tally.wanted += truth.length;
    if (performance.now() > turnEnds) {
      await nextTask();
      throwIfAborted(signal);
      turnEnds = performance.now() + TURN_MS;
    }
  };

  const at: Tally = { found: 0, wanted: 0 };
  const between: Tally = { found: 0, wanted: 0 };
  for (const [i, id] of sample.entries()) {
    // The sample is drawn at random: those that follow have nothing to do with this one.
    const some = [...sample, ...sample].slice(i, i + Math.min(AMONG, sample.length));
    const vectors = await state.gate.read(async () => {
      const rows = some.map((one) => state.row(one)).filter((row) => row !== undefined);
      return rows.length < some.length ? null : state.index!.vectors(rows);
    });
    if (!vectors) continue; // deleted meanwhile
    await compare(vectors[0]!, [id], at);
    const middle = middleOf(vectors, state.stored.config.metric === 'cosine');
    if (some.length > 1 && middle.some((x) => x !== 0)) await compare(middle, some, between);
  }
  return {
    recall: share({ found: at.found + between.found, wanted: at.wanted + between.wanted }),
    atRecords: share(at),
    betweenRecords: share(between),
    k,
    sample: sample.length,
    exactMs: median(exactMs),
    approximateMs: median(approximateMs),
  };
}

interface Tally {
  found: number;
  wanted: number;
}

function share({ found, wanted }: Tally): number {
  return wanted === 0 ? 1 : found / wanted;
}

/** The mean of vectors; of their directions for cosine. */
function middleOf(vectors: readonly Float32Array[], byDirection: boolean): Float32Array {
  const middle = new Float32Array(vectors[0]!.length);
  for (const vector of vectors) {
    const length = byDirection ? Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0)) : 1;
    for (const [i, x] of vector.entries()) middle[i]! += x / length / vectors.length;
  }
  return middle;
}

/** Records with a vector, without repetition. */
function sampleOf(state: CollectionState, size: number): RecordId[] {
  const live = state.rowsWithVector(state.liveRows(null)) ?? Bitset.full(state.rowCount);
  const rows = Uint32Array.from(live);
  const random = seededRandom(SEED);
  const count = Math.min(size, rows.length);
  // The beginning of a shuffle.
  for (let i = 0; i < count; i++) {
    const j = i + random.below(rows.length - i);
    [rows[i], rows[j]] = [rows[j]!, rows[i]!];
  }
  return Array.from(rows.subarray(0, count), (row) => state.id(row));
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >>> 1] ?? 0;
}
