// The manifest: which values make up the database. It is written twice in one transaction, so that a damaged value costs
// nothing; what a generation no longer needs is deleted only by the generation after it.
import { PiramidError } from '../errors.ts';
import type { EmbedderOptions, Language, Metric, Quantization } from '../types.ts';
import type { Answered } from './answered.ts';
import type { Backend, Put } from './backend.ts';
import { type Damage, ifCorrupt, readTwice } from './damage.ts';
import { decodeBlock, decodeJson, encodeBlock, encodeJson, type Kind } from './format.ts';
import { FORMAT_READER, FORMAT_VERSION, MANIFEST_KEYS } from './schema.ts';

/** Format from which on both slots hold the newest manifest. */
export const TWICE_VERSION = 3;

/** What a collection is, as stored. */
export interface CollectionConfig {
  /** Null for a collection of text only. */
  dimension: number | null;
  metric: Metric;
  /** Null without one. `options` is null where the embedder is the caller's own function. */
  embedder: { fingerprint: string; options: EmbedderOptions | null } | null;
  /** Absent: 'none'. */
  quantization?: Quantization;
  /** As told when it was created. Absent: none was. */
  language?: Language;
  /** How texts become terms (`text/analyzer`), which the store does not look into. Absent: 0, as up to format 4. */
  analysis?: number;
}

/** One stored value that holds rows. */
export interface ChunkRef {
  kind: Kind;
  key: number;
  firstRow: number;
  rowCount: number;
  /** Of the whole value. */
  bytes: number;
  /** Of codes: how they were made. Absent: that is in the value alone. */
  scheme?: number;
  /** Of vectors: CRC-32 of the payload, by which a row file knows the chunk. Absent: older than this field. */
  checksum?: number;
}

/** A run of rows, cut into chunks by what they hold. Never changes. */
export interface Segment {
  /** Lower than its chunks say by as many rows as compaction has dropped before it since they were written. */
  firstRow: number;
  rowCount: number;
  /** By kind, then by row. */
  chunks: ChunkRef[];
}

export interface StoredCollection {
  id: number;
  name: string;
  config: CollectionConfig;
  /** By row. */
  segments: Segment[];
  /** The chunk with one bit per deleted row; null while none is. */
  tombstones: ChunkRef | null;
  /** Changes of metadata that are not in the segments, oldest first. Absent: none. */
  patches?: readonly ChunkRef[];
  /** How often compaction has renumbered its rows. Absent: never. */
  compactions?: number;
}

export interface Manifest {
  /** Format version of the writer, and the oldest reader that understands it. */
  version: number;
  reader: number;
  /** Identity of the database, made once. */
  uuid: string;
  /** Counts manifests. */
  generation: number;
  /** Next unused chunk key, collection number. */
  nextChunk: number;
  nextCollection: number;
  /** Log entries from here on are part of the database. */
  logStart: number;
  /** What the generation before still needed; the next one deletes it. */
  garbage: { chunks: number[]; logFrom: number };
  collections: StoredCollection[];
  /** Writes of other tabs that may be sent again. Absent: none. */
  answered?: readonly Answered[];
}

export function emptyManifest(): Manifest {
  return {
    version: FORMAT_VERSION,
    reader: FORMAT_READER,
    uuid: randomUuid(),
    generation: 0,
    nextChunk: 1,
    nextCollection: 1,
    logStart: 1,
    garbage: { chunks: [], logFrom: 1 },
    collections: [],
  };
}

const KIND_ORDER = ['ids', 'vectors', 'codes', 'metadata', 'text', 'postings'];

/** Chunks in the order in which a segment has them. */
export function byKindAndRow(chunks: readonly ChunkRef[]): ChunkRef[] {
  return [...chunks].sort((a, b) => KIND_ORDER.indexOf(a.kind) - KIND_ORDER.indexOf(b.kind) || a.firstRow - b.firstRow);
}

/** Version 4. `crypto.randomUUID` is kept from plain http, where IndexedDB and workers are not. */
function randomUuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** What the manifest's two slots hold. */
export interface StoredManifest {
  /** The newest whole one; undefined for a database without one. */
  manifest: Manifest | undefined;
  /** A slot that holds none, though it should. Up to format 2 it may have held a newer one: slots took turns. */
  damaged: Damage | null;
}

/** Throws `CORRUPT` where no slot is whole, `NEWER_FORMAT`. */
export async function readManifest(backend: Backend): Promise<StoredManifest> {
  const slots = await Promise.all(MANIFEST_KEYS.map((slot) => readSlot(backend, slot)));
  const whole = slots.filter((slot) => slot !== null && !(slot instanceof PiramidError)) as Manifest[];
  const [manifest] = whole.sort((a, b) => b.generation - a.generation);
  for (const [slot, found] of slots.entries()) {
    if (found instanceof PiramidError) {
      if (!manifest) throw found;
      return { manifest, damaged: damageOf(slot, found.message) };
    }
    if (found === null && manifest && manifest.version >= TWICE_VERSION)
      return { manifest, damaged: damageOf(slot, `manifest: slot ${slot} is empty`) };
  }
  return { manifest, damaged: null };
}

export function damageOf(slot: number, message: string): Damage {
  return { kind: 'manifest', key: slot, collection: null, firstRow: 0, rowCount: 0, message };
}

/** Null where the slot is empty. */
async function readSlot(backend: Backend, slot: number): Promise<Manifest | PiramidError | null> {
  try {
    return await readTwice(async () => {
      const value = await backend.read('manifest', slot);
      if (value === undefined) return null;
      const { header, payload } = decodeBlock(value, { kind: 'manifest' });
      const manifest = decodeJson(payload) as Manifest;
      if (manifest.reader > FORMAT_VERSION) {
        throw new PiramidError(
          'NEWER_FORMAT',
          `the database was written by format ${manifest.version}, which needs a reader of ${manifest.reader}; this release reads ${FORMAT_VERSION}. Update Piramid. Nothing was changed.`,
        );
      }
      if (manifest.generation !== header.key)
        throw new PiramidError('CORRUPT', `manifest slot ${slot} holds generation ${manifest.generation}`);
      return manifest;
    });
  } catch (error) {
    return ifCorrupt(error);
  }
}

/** The writes that make `manifest` the current one. */
export function manifestWrites(manifest: Manifest): Put[] {
  const header = { kind: 'manifest', collection: 0, key: manifest.generation, firstRow: 0, rowCount: 0 } as const;
  const value = encodeBlock(header, encodeJson(manifest));
  return MANIFEST_KEYS.map((key) => ({ store: 'manifest', key, value }));
}
