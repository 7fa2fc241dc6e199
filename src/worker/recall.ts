// Measures recall on a collection's own records: asks for the neighbours of some of them as queries do, and exactly.
import { throwIfAborted } from '../errors.ts';
import type { EngineQuery } from '../protocol.ts';
import { Bitset } from '../structures/bitset.ts';
import { seededRandom } from '../structures/random.ts';
import { nextTask } from '../structures/slices.ts';
import type { RecallCheck, RecordId } from '../types.ts';
import type { CollectionState } from './collection.ts';
import { answerQuery } from './query.ts';

const SEED = 1;
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
  let found = 0;
  let wanted = 0;
  let turnEnds = performance.now() + TURN_MS;
  for (const id of sample) {
    const row = state.row(id);
    if (row === undefined) continue; // deleted meanwhile
    const [vector] = await state.index!.vectors([row]);
    const ask = async (exact: boolean, times: number[]) => {
      // One more than wanted: the record finds itself.
      const query: EngineQuery = {
        vector: vector!,
        embed: null,
        words: null,
        k: k + 1,
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
      return scores.filter((_, i) => ids[i] !== id).subarray(0, k);
    };
    const truth = await ask(true, exactMs);
    const scores = await ask(false, approximateMs);
    // Scores are exact in both, so what is not below the worst of the truth belongs to it or ties with it.
    const least = truth.at(-1) ?? 0;
    found += scores.filter((score) => score >= least).length;
    wanted += truth.length;
    if (performance.now() > turnEnds) {
      await nextTask();
      throwIfAborted(signal);
      turnEnds = performance.now() + TURN_MS;
    }
  }
  return {
    recall: wanted === 0 ? 1 : found / wanted,
    k,
    sample: sample.length,
    exactMs: median(exactMs),
    approximateMs: median(approximateMs),
  };
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
