// What a file to import says, looked at as nobody's friend: every value is checked as if a user had passed it, before it is
// stored. Blocks come one by one, in the order of the file; their checksums have to fit what the last one says of them.
import {
  checkId,
  checkInteger,
  checkName,
  checkNumbers,
  DIMENSION_MAX,
  embedderOptions,
  LANGUAGES,
  METRICS,
  QUANTIZATIONS,
} from '../checks.ts';
import { PiramidError } from '../errors.ts';
import { checkMetadata } from '../filter/check-metadata.ts';
import { decodeMetadataValue, encodeMetadataRow } from '../filter/metadata.ts';
import { isPlainObject } from '../filter/values.ts';
import { isProductMetric } from '../kernels/kernel.ts';
import type { RowBatch } from '../store/batch.ts';
import { chainOf, decodeRows, type End, EXCHANGE_VERSION, type Head, invalidFile } from '../store/exchange.ts';
import { decodeBlock, decodeJson, KINDS } from '../store/format.ts';
import type { CollectionConfig } from '../store/manifest.ts';
import { analysisOf, BY_SCRIPT, ENGLISH } from '../text/analyzer.ts';
import type { RecordId } from '../types.ts';

/** Most collections of one file. */
const COLLECTIONS_MAX = 65_536;

/** Rows of the head's collection `index`. */
export interface ImportedRows {
  index: number;
  batch: RowBatch;
}

export class FileChecker {
  /** Known after the first block. */
  head: Head | null = null;
  /** Whether the last block was there. */
  isWhole = false;
  #number = 0;
  #chain = 0;
  /** Place of the collection whose rows come now. */
  #index = 0;
  #rows: number[] = [];
  #ids = new Set<RecordId>();

  /** Where it is, for messages. */
  get block(): number {
    return this.#number;
  }

  /** Takes the next block: its rows, or null for the first and the last one. Throws `INVALID_FILE`, `NEWER_FORMAT`. */
  take(block: ArrayBuffer): ImportedRows | null {
    if (this.isWhole) throw invalidFile('there is more behind its end');
    const kind = new DataView(block).getUint8(5);
    let rows: ImportedRows | null = null;
    if (!this.head) this.head = this.#readHead(block);
    else if (kind === KINDS.end) this.#readEnd(block, this.head);
    else rows = this.#readRows(block, this.head);
    this.#chain = chainOf(this.#chain, block);
    this.#number++;
    return rows;
  }

  #readHead(block: ArrayBuffer): Head {
    const { payload } = decodeBlock(block, { kind: 'export', collection: 0, key: 0, firstRow: 0, rowCount: 0 });
    const head = objectOf(decodeJson(payload), 'the head');
    const format = checkInteger(head.format, 1, Number.MAX_SAFE_INTEGER, 'format');
    if (format > EXCHANGE_VERSION) {
      throw new PiramidError(
        'NEWER_FORMAT',
        `the file has format ${format}; this release reads up to ${EXCHANGE_VERSION}. Update Piramid. Nothing was imported.`,
      );
    }
    if (typeof head.uuid !== 'string' || !Array.isArray(head.collections))
      throw invalidFile('expected a uuid and collections');
    if (head.collections.length > COLLECTIONS_MAX)
      throw invalidFile(`names ${head.collections.length} collections, at most ${COLLECTIONS_MAX} are possible`);
    const names = new Set<string>();
    const collections = head.collections.map((value, i) => {
      const { name: given, config, count } = objectOf(value, `collection ${i}`);
      const name = checkName(given, `collection ${i}: name`);
      if (names.has(name)) throw invalidFile(`two collections are called ${JSON.stringify(name)}`);
      names.add(name);
      return { name, config: checkConfig(config), count: checkInteger(count, 0, 2 ** 32 - 1, 'count') };
    });
    this.#rows = collections.map(() => 0);
    return { format, uuid: head.uuid, collections };
  }

  #readEnd(block: ArrayBuffer, head: Head): void {
    const place = { collection: 0, key: this.#number, firstRow: 0, rowCount: 0 };
    const { blocks, rows, chain } = decodeJson(decodeBlock(block, { kind: 'end', ...place }).payload) as End;
    if (blocks !== this.#number)
      throw invalidFile(`the end counts ${blocks} blocks before it, there were ${this.#number}`);
    if (chain !== this.#chain) throw invalidFile('the blocks are not those that were written, or not in their order');
    for (const [i, { name, count }] of head.collections.entries()) {
      if (rows[i] !== count || this.#rows[i] !== count)
        throw invalidFile(`collection ${JSON.stringify(name)}: expected ${count} records, got ${this.#rows[i]}`);
    }
    this.isWhole = true;
  }

  #readRows(block: ArrayBuffer, head: Head): ImportedRows {
    const { header, payload } = decodeBlock(block, { kind: 'log', key: this.#number });
    const index = header.collection - 1;
    const collection = head.collections[index];
    if (!collection || index < this.#index) throw invalidFile(`has rows of collection ${header.collection}`);
    if (index > this.#index) this.#ids = new Set();
    this.#index = index;
    const { firstRow, rowCount } = header;
    if (firstRow !== this.#rows[index] || rowCount === 0 || firstRow + rowCount > collection.count)
      throw invalidFile(
        `has rows ${firstRow} to ${firstRow + rowCount - 1} of ${collection.count}, expected row ${this.#rows[index]}`,
      );
    const { metric, dimension } = collection.config;
    const { ids: givenIds, vectors, metadata, texts } = decodeRows(payload, rowCount, dimension);
    const ids = givenIds.map((id, i) => {
      const checked = checkId(id, `row ${firstRow + i}: id`);
      if (this.#ids.has(checked)) throw invalidFile(`record ${JSON.stringify(id)} stands there twice`);
      this.#ids.add(checked);
      return checked;
    });
    const what = (i: number) => () => `record ${JSON.stringify(ids[i])}`;
    if (vectors) {
      for (let i = 0; i < rowCount; i++) {
        const numbers = vectors.values.subarray(i * vectors.dimension, (i + 1) * vectors.dimension);
        if (vectors.present.has(i)) checkNumbers(numbers, metric, what(i));
        else if (numbers.some((number) => number !== 0)) throw invalidFile(`${what(i)()}: has numbers but no vector`);
      }
    }
    this.#rows[index]! += rowCount;
    const none = () => new Array<null>(rowCount).fill(null);
    return {
      index,
      batch: {
        firstRow,
        rowCount,
        ids,
        vectors,
        metadata: metadata?.map((value, i) => (value === null ? null : checkStored(value, what(i)))) ?? none(),
        texts: texts ?? none(),
        postings: null,
      },
    };
  }
}

/** Metadata as it is stored, from what was JSON in a file. */
function checkStored(value: unknown, what: () => string): string {
  checkDates(value, what, 0);
  return encodeMetadataRow(checkMetadata(decodeMetadataValue(value), what));
}

/** Nothing but a date is tagged as one, so that decoding leaves nothing out. */
function checkDates(value: unknown, what: () => string, depth: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (depth > 64) throw invalidFile(`${what()}: metadata is nested too deep`);
  if (!Array.isArray(value) && Object.hasOwn(value, '$date')) {
    const text = (value as { $date: unknown }).$date;
    const isDate = typeof text === 'string' && Object.keys(value).length === 1 && isoOf(text) === text;
    if (!isDate || depth === 0) throw invalidFile(`${what()}: metadata: a date is not a date`);
    return;
  }
  for (const field of Object.values(value)) checkDates(field, what, depth + 1);
}

function isoOf(text: string): string | null {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

function checkConfig(value: unknown): CollectionConfig {
  const { dimension, metric, embedder, quantization = 'none', language, analysis } = objectOf(value, 'config');
  if (dimension !== null) checkInteger(dimension, 1, DIMENSION_MAX, 'dimension');
  const checked = {
    dimension: dimension as number | null,
    metric: choiceOf(metric, METRICS, 'metric'),
    embedder: checkEmbedder(embedder),
    quantization: choiceOf(quantization, QUANTIZATIONS, 'quantization'),
    ...(language !== undefined && { language: choiceOf(language, LANGUAGES, 'language') }),
  };
  const read: CollectionConfig = {
    ...checked,
    analysis: checked.language ? analysisOf(checked.language) : analysis === BY_SCRIPT ? BY_SCRIPT : ENGLISH,
  };
  const isPossible =
    checked.quantization === 'none' ||
    (dimension !== null && (checked.quantization === 'auto' || isProductMetric(checked.metric)));
  if (!isPossible || (checked.embedder && dimension === null))
    throw invalidFile('config: no collection can be like that');
  return read;
}

function checkEmbedder(value: unknown): CollectionConfig['embedder'] {
  if (value === null) return null;
  const { fingerprint, options } = objectOf(value, 'embedder');
  if (typeof fingerprint !== 'string' || fingerprint === '') throw invalidFile('fingerprint: expected a string');
  return {
    fingerprint,
    options: options === null ? null : embedderOptions(objectOf(options, 'embedder options') as never),
  };
}

function choiceOf<T extends string>(value: unknown, choices: readonly T[], what: string): T {
  if (!choices.includes(value as T)) throw invalidFile(`${what}: expected one of ${choices.join(', ')}`);
  return value as T;
}

function objectOf(value: unknown, what: string): { readonly [key: string]: unknown } {
  if (!isPlainObject(value)) throw invalidFile(`${what}: expected an object`);
  return value;
}
