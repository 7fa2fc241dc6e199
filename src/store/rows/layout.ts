// The bytes of a row file (docs/FORMAT.md, "Row files"): a directory, then the vectors of one chunk after the other. Pure functions; what
// cannot be proven whole reads as nothing.
import { crc32 } from '../checksum.ts';
import { decodeJson, encoder, HEADER_BYTES, payloadChecksum, presenceBytes } from '../format.ts';

/** What the directory may take: some 8 000 chunks. */
export const DIRECTORY_BYTES = 1 << 20;
/** Rows that one checksum covers take about as many bytes: a row is read with its neighbours, and these are verified once. */
const BLOCK_BYTES = 8192;
const MAGIC = 0x46_4d_52_50; // 'PRMF', little-endian
const VERSION = 1;
const PREFIX_BYTES = 12;

/** A chunk in the file. */
export interface Entry {
  key: number;
  /** Of the chunk's payload, by which it is known to be the same chunk. */
  checksum: number;
  rowCount: number;
  dimension: number;
  at: number;
  /** Of what stands before the rows. */
  notesChecksum: number;
}

const FIELDS: (keyof Entry)[] = ['key', 'checksum', 'rowCount', 'dimension', 'at', 'notesChecksum'];

/** Magic, length and checksum of what follows: version, the database's uuid, and the entries as JSON. */
export function encodeDirectory(uuid: string, entries: readonly Entry[]): Uint8Array {
  const json = encoder.encode(JSON.stringify([VERSION, uuid, entries], FIELDS));
  const bytes = new Uint8Array(PREFIX_BYTES + json.length);
  bytes.set(json, PREFIX_BYTES);
  new Uint32Array(bytes.buffer, 0, 3).set([MAGIC, json.length, crc32(json)]);
  return bytes;
}

/** Empty where it is damaged, of another version, or another database's. */
export function decodeDirectory(bytes: Uint8Array<ArrayBuffer>, uuid: string): Entry[] {
  const [magic, length, checksum] = new Uint32Array(bytes.buffer, 0, 3);
  const json = bytes.subarray(PREFIX_BYTES, PREFIX_BYTES + length!);
  if (magic !== MAGIC || checksum !== crc32(json)) return [];
  const [version, owner, entries] = decodeJson(json) as [number, string, Entry[]];
  return version === VERSION && owner === uuid ? entries : [];
}

export type Parts = ReturnType<typeof partsOf>;

/** Where the parts of a chunk's vectors are, from their beginning: float64 lengths, presence bits, checksums of blocks, and the rows. */
export function partsOf({ rowCount, dimension }: Pick<Entry, 'rowCount' | 'dimension'>) {
  const rowBytes = dimension * 4;
  const blockRows = Math.max(1, Math.floor(BLOCK_BYTES / rowBytes));
  const presenceAt = rowCount * 8;
  const sumsAt = presenceAt + presenceBytes(rowCount);
  const rowsAt = sumsAt + Math.ceil(rowCount / blockRows) * 4;
  return { rowBytes, blockRows, presenceAt, sumsAt, rowsAt, bytes: rowsAt + rowCount * rowBytes };
}

/** What a stored vectors chunk says, and views on what it holds. */
export function readChunk(value: ArrayBuffer) {
  const view = new DataView(value);
  const rowCount = view.getUint32(20, true);
  const rowsAt = HEADER_BYTES + presenceBytes(rowCount);
  const rows = new Float32Array(value, rowsAt);
  return {
    key: view.getUint32(12, true),
    checksum: payloadChecksum(value),
    rowCount,
    dimension: rows.length / rowCount,
    present: new Uint8Array(value, HEADER_BYTES, rowsAt - HEADER_BYTES),
    rows,
  };
}
