// The other end of sharded rows: what a worker does that holds a part of them. Owns nothing but the parts it was given; it
// answers what it is asked over one port, in order.
import { Bitset } from '../../structures/bitset.ts';
import { doubtsOf } from '../codes/doubt.ts';
import { appendToPart, bytesOf, closePart, type Part, type PartOptions, reservePart, truncatePart } from './part.ts';
import type { PartSearch, ShardAnswer, ShardRequest, ShardValues } from './pool.ts';

/** What a worker does on its own, with nothing of which it holds. */
export interface Skills {
  create(options: PartOptions): Part;
  words(texts: readonly (string | null)[], analysis: number): Uint8Array<ArrayBuffer>;
}

/** Serves parts and words on a port until it is told to `end`. */
export function serveShard(port: MessagePort, { create, words }: Skills, end: () => void): void {
  const sets = new Map<number, Part>();

  function run(request: ShardRequest): { value: ShardValues[ShardRequest['type']]; transfer: Transferable[] } {
    if (request.type === 'create') {
      sets.set(request.set, create(request));
      return { value: undefined, transfer: [] };
    }
    if (request.type === 'words') {
      const postings = words(request.texts, request.analysis);
      return { value: postings, transfer: [postings.buffer] };
    }
    const part = sets.get(request.set)!;
    switch (request.type) {
      case 'reserve':
        reservePart(part, request.rowCount);
        return { value: bytesOf(part), transfer: [] };
      case 'append':
        appendToPart(part, request.vectors, request.records);
        break;
      case 'truncate':
        truncatePart(part, request.rowCount);
        break;
      case 'search': {
        const hits = part.rows.searchAll(request.searches.map(withMask));
        return { value: hits, transfer: hits.flatMap(({ rows, scores }) => [rows.buffer, scores.buffer]) };
      }
      case 'doubts':
        return { value: doubtsOf(part.codes!, request.searches.map(withMask)), transfer: [] };
      case 'best': {
        const hits = request.wishes.map(({ query, among, k }) => part.rows.best(query, among, k));
        return { value: hits, transfer: hits.flatMap(({ rows, scores }) => [rows.buffer, scores.buffer]) };
      }
      case 'vectors': {
        const { rows } = part;
        const { dimension } = rows;
        const vectors = new Float32Array(request.rows.length * dimension);
        for (const [i, row] of request.rows.entries()) {
          const offset = rows.offset(row);
          vectors.set(rows.values(row).subarray(offset, offset + dimension), i * dimension);
        }
        return { value: vectors, transfer: [vectors.buffer] };
      }
      case 'close':
        closePart(part);
        sets.delete(request.set);
    }
    return { value: undefined, transfer: [] };
  }

  port.onmessage = ({ data }: MessageEvent<{ id: number; request: ShardRequest } | 'end'>) => {
    if (data === 'end') return end();
    let answer: ShardAnswer;
    let transfer: Transferable[] = [];
    try {
      const done = run(data.request);
      answer = { id: data.id, value: done.value };
      transfer = done.transfer;
    } catch (error) {
      answer = { id: data.id, error: error instanceof Error ? error.message : String(error) };
    }
    port.postMessage(answer, transfer);
  };
}

/** What a part is asked for, as its rows and codes take it. */
export function withMask<Wish extends { rowCount: number }>({
  wish,
  words,
}: PartSearch<Wish>): Wish & { mask?: Bitset } {
  return { ...wish, ...(words && { mask: new Bitset(wish.rowCount, words) }) };
}
