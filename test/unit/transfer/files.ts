// Databases in memory, and files that came out of them or were made up, for the tests of exports and imports.
import type { CollectionRequest, PackedRecords } from '../../../src/protocol.ts';
import { crc32 } from '../../../src/store/checksum.ts';
import { chainOf, decodeRows } from '../../../src/store/exchange.ts';
import { decodeBlock, encodeJson, HEADER_BYTES, KINDS } from '../../../src/store/format.ts';
import { createEngine, type LocalEngine } from '../../../src/worker/engine.ts';
import { importIncluded } from '../../import-included.ts';

export async function openEngine(): Promise<LocalEngine> {
  const none = () => Promise.reject(new Error('no model'));
  const engine = createEngine(() => ({ embedder: none, generator: none, reranker: none, close: async () => {} }), {
    importAsset: importIncluded,
  });
  await engine.open({ name: 'x', storage: 'memory', device: 'js', durability: 'strict', models: {} }, () => {});
  return engine;
}

export const request = (changes: Partial<CollectionRequest>): CollectionRequest => ({
  dimension: null,
  metric: null,
  quantization: null,
  embedder: null,
  mustExist: false,
  ...changes,
});

export const records = (changes: Partial<PackedRecords> & { ids: PackedRecords['ids'] }): PackedRecords => ({
  vectors: null,
  sources: null,
  texts: null,
  metadata: null,
  ...changes,
});

let transfers = 0;
/** Numbers calls, as a page does. */
export const newCall = () => 1_000_000 + ++transfers;

/** The blocks of an export. `between` is called before each one but the first. */
export async function exported(
  engine: LocalEngine,
  { collections = null, between }: { collections?: string[] | null; between?: (number: number) => Promise<void> } = {},
): Promise<Uint8Array<ArrayBuffer>[]> {
  const name = `export ${++transfers}`;
  const run = engine.runExport(name, collections, newCall());
  run.catch(() => {});
  const blocks: Uint8Array<ArrayBuffer>[] = [];
  for (;;) {
    const { block } = await engine.exportBlock(name, blocks.length);
    if (!block) break;
    blocks.push(block);
    await between?.(blocks.length);
  }
  await run;
  return blocks;
}

/** Imports a file in pieces of a size. */
export async function imported(engine: LocalEngine, file: Uint8Array, pieceBytes = 1 << 20): Promise<void> {
  const name = `import ${++transfers}`;
  const call = newCall();
  const run = engine.runImport(name, call);
  run.catch(() => {});
  try {
    for (let at = 0, number = 0; at < file.length; at += pieceBytes, number++)
      await engine.importPiece(name, number, file.slice(at, at + pieceBytes));
    await engine.finishImport(name, newCall());
  } finally {
    engine.cancel(call);
    await run.catch(() => {});
  }
}

export function joined(blocks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const file = new Uint8Array(blocks.reduce((sum, block) => sum + block.length, 0));
  let at = 0;
  for (const block of blocks) {
    file.set(block, at);
    at += block.length;
  }
  return file;
}

/** What records a collection has, in a form that compares; vectors by their bits. */
export async function contents(engine: LocalEngine) {
  const all = [];
  for (const info of await engine.listCollections()) {
    const { id } = await engine.openCollection(info.name, request({ mustExist: true }), newCall());
    const { ids, rows } = await engine.scroll(id, {
      where: null,
      limit: 1e6,
      cursor: null,
      select: ['text', 'metadata', 'vector'],
    });
    all.push({
      info,
      records: ids.map((recordId, i) => ({
        id: recordId,
        text: rows.texts![i],
        metadata: JSON.stringify(rows.metadata![i]),
        vector: rows.vectors?.[i] ? [...new Uint32Array(rows.vectors[i]!.slice().buffer)] : null,
      })),
    });
  }
  return all;
}

/** The file with headers, and the end's count and chain, made to fit what the blocks hold: a forger knows how to. */
export function resealed(blocks: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer>[] {
  let chain = 0;
  const rows = new Map<number, number>();
  return blocks.map((source, number) => {
    let block = source.slice();
    const view = new DataView(block.buffer);
    if (block.length < HEADER_BYTES) return block;
    if (view.getUint8(5) === KINDS.end) {
      const counts = [...rows.entries()].sort(([a], [b]) => a - b).map(([, count]) => count);
      block = withPayload(block, encodeJson({ blocks: number, rows: counts, chain }));
    } else if (view.getUint8(5) === KINDS.log) {
      const collection = view.getUint32(8, true);
      view.setUint32(16, rows.get(collection) ?? 0, true);
      rows.set(collection, (rows.get(collection) ?? 0) + view.getUint32(20, true));
    }
    new DataView(block.buffer).setUint32(12, number, true);
    seal(block);
    chain = chainOf(chain, block.buffer);
    return block;
  });
}

/** Checksums and length as they have to be. */
export function seal(block: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(block.buffer);
  view.setUint32(24, block.length - HEADER_BYTES, true);
  view.setUint32(28, crc32(block.subarray(HEADER_BYTES)), true);
  view.setUint32(36, crc32(block.subarray(0, 36)), true);
}

export function withPayload(block: Uint8Array, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const changed = new Uint8Array(HEADER_BYTES + payload.length);
  changed.set(block.subarray(0, HEADER_BYTES));
  changed.set(payload, HEADER_BYTES);
  seal(changed);
  return changed;
}

/** All ids in a file's blocks of rows. */
export function idsIn(blocks: readonly Uint8Array<ArrayBuffer>[], dimension: number | null): unknown[] {
  return blocks
    .filter((block) => block[5] === KINDS.log)
    .flatMap((block) => {
      const { header, payload } = decodeBlock(block.slice().buffer, { kind: 'log' });
      return decodeRows(payload, header.rowCount, dimension).ids;
    });
}
