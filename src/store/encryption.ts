// Encryption at rest: a backend whose values are AES-GCM ciphertext behind a header that stays readable, so that damage is
// found without the key. A data key, made at random once, encrypts the values; the caller's key encrypts that one, in a block
// beside the manifest, and can be exchanged without touching a value. Which value stands where is authenticated.
//
// A data key encrypts a limited number of values, then the next one takes over. All but the first are derived from the first,
// and a value's header has the number of its key. The key block has the newest number, and how many values may be under that
// key: it is written before they are encrypted, so a crash can only make that too many.
import { PiramidError } from '../errors.ts';
import type { Backend, Place, Put, Write } from './backend.ts';
import { ifCorrupt, readTwice } from './damage.ts';
import {
  codecOf,
  decodeBlock,
  encodeBlock,
  encoder,
  HEADER_BYTES,
  joined,
  keyNumberOf,
  recodedBlock,
  recodedHeader,
  spoiledBlock,
  writeKeyNumber,
} from './format.ts';
import { readManifest } from './manifest.ts';
import {
  FENCE_KEY_FIRST,
  KEY_KEY,
  STORES,
  type StoreName,
  VALUES_COUNTED_AHEAD,
  VALUES_PER_KEY_MAX,
} from './schema.ts';

const CODEC = 1;
const SALT_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** In the header of the key block: where others have their number of rows. */
const COUNT_AT = 20;

/** What a worker knows of a database whose key it has proven. */
export interface Unlocked {
  /** Names the database's data keys. */
  salt: string;
  /** The first one, which all others are derived from. */
  dataKey: CryptoKey;
}

export interface Encryption {
  /** Values in the clear. */
  readonly backend: Backend;
  readonly unlocked: Unlocked;
  /** As stored. */
  readonly keyBlock: ArrayBuffer;
  /** Of a new database: stores the key, once nobody else can write. Throws `WRONG_KEY` if somebody was quicker. */
  establish(fenced: Backend): Promise<void>;
  /** Puts another caller's key in the place of the one before, in one transaction. */
  rotate(fenced: Backend, key: CryptoKey): Promise<void>;
}

/**
 * The encryption of a database, null where there is none. `known`: what opens it though its key has been exchanged since.
 * Changes nothing. Throws `WRONG_KEY` where the key is another, is missing, or is given for a database without one.
 * Tests set lower limits.
 */
export async function openEncryption(
  inner: Backend,
  key: CryptoKey | null,
  known: Unlocked | null = null,
  valuesPerKey = VALUES_PER_KEY_MAX,
  countedAhead = VALUES_COUNTED_AHEAD,
): Promise<Encryption | null> {
  const stored = await readTwice(() => inner.read('manifest', KEY_KEY));
  if (stored || !key) {
    const unlocked = await unlock(stored, key, known);
    return unlocked && new OpenEncryption(inner, unlocked, stored!, null, valuesPerKey, countedAhead);
  }
  if ((await readManifest(inner)).manifest) await unlock(undefined, key);
  const raw = crypto.getRandomValues(new Uint8Array(32));
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const block = await wrap(raw, salt, key);
  const unlocked = { salt: hex(salt), dataKey: await importDataKey(raw) };
  return new OpenEncryption(inner, unlocked, block, key, valuesPerKey, countedAhead);
}

/** The data key in a stored block; null where there is no block, nor a key. Throws `WRONG_KEY`, `CORRUPT`. */
export async function unlock(
  block: ArrayBuffer | undefined,
  key: CryptoKey | null,
  known: Unlocked | null = null,
): Promise<Unlocked | null> {
  if (!block) {
    if (key)
      throw new PiramidError('WRONG_KEY', 'the database is not encrypted, but a key was given. Nothing was changed.');
    return null;
  }
  const { payload } = decodeBlock(block, { kind: 'key', key: KEY_KEY });
  const salt = hex(payload.subarray(0, SALT_BYTES));
  if (!key && known?.salt !== salt)
    throw new PiramidError('WRONG_KEY', 'the database is encrypted; open it with its key. Nothing was changed.');
  try {
    return { salt, dataKey: await importDataKey(await unwrap(payload, key!)) };
  } catch (cause) {
    if (known?.salt === salt) return known;
    throw new PiramidError('WRONG_KEY', 'the database is encrypted with another key. Nothing was changed.', { cause });
  }
}

class OpenEncryption implements Encryption {
  readonly backend: Backend;
  unlocked: Unlocked;
  keyBlock: ArrayBuffer;
  readonly #inner: Backend;
  readonly #valuesPerKey: number;
  readonly #countedAhead: number;
  /** The caller's, while the block is to be written. */
  #fresh: CryptoKey | null;
  /** Data keys by number, but for the first. */
  readonly #derived = new Map<number, Promise<CryptoKey>>();
  /** Values that are, or may be, under data keys, one key after the other. */
  #used = 0;
  /** As many as the stored key block counts, or less; -1 until it is stored. */
  #counted = -1;
  /** Ends with the change of the key block that is under way. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    inner: Backend,
    unlocked: Unlocked,
    keyBlock: ArrayBuffer,
    fresh: CryptoKey | null,
    valuesPerKey: number,
    countedAhead: number,
  ) {
    this.#inner = inner;
    this.unlocked = unlocked;
    this.keyBlock = keyBlock;
    this.#fresh = fresh;
    this.#valuesPerKey = valuesPerKey;
    this.#countedAhead = countedAhead;
    this.backend = {
      kind: inner.kind,
      keys: (store) => inner.keys(store),
      drop: () => inner.drop(),
      release: () => inner.release(),
      close: () => inner.close(),
      read: async (store, key) => {
        const value = await inner.read(store, key);
        if (value) await this.#findQuicker();
        return value && this.#decrypt(store, key, value);
      },
      readAll: async (store, firstKey) => {
        const values = await inner.readAll(store, firstKey);
        if (values.size > 0) await this.#findQuicker();
        const decrypted = [...values].map(
          async ([key, value]) => [key, await this.#decrypt(store, key, value)] as const,
        );
        return new Map(await Promise.all(decrypted));
      },
      commit: async (writes, vacant) => {
        let place = this.#used;
        this.#used += writes.filter(isSecret).length;
        // The change of the key block itself has no such value, and must not wait for its own turn.
        if (this.#used > place) await this.#inTurn(() => this.#countAhead(inner, vacant));
        const encrypted = writes.map((write) =>
          isSecret(write) ? this.#encrypt(write, Math.floor(place++ / valuesPerKey)) : write,
        );
        await inner.commit(await Promise.all(encrypted), vacant);
      },
    };
  }

  async establish(fenced: Backend): Promise<void> {
    await this.#findQuicker();
    if (this.#fresh) await this.#countAhead(fenced);
    else {
      // From here on nobody else can change it, but somebody may have since it was read.
      await this.#readKeyBlock();
      const values = new DataView(this.keyBlock).getUint32(COUNT_AT, true);
      this.#used = this.#counted = keyNumberOf(this.keyBlock) * this.#valuesPerKey + values;
    }
    this.#fresh = null;
  }

  /** Whether somebody has made the database meanwhile: then it has a key already, or none. */
  async #findQuicker(): Promise<void> {
    if (!this.#fresh) return;
    const other = await openEncryption(this.#inner, this.#fresh);
    const keyBlock = await this.#inner.read('manifest', KEY_KEY);
    if (!keyBlock) return;
    this.unlocked = other!.unlocked;
    this.keyBlock = keyBlock;
    this.#fresh = null;
  }

  rotate(fenced: Backend, key: CryptoKey): Promise<void> {
    return this.#inTurn(async () => {
      const salt = new Uint8Array(this.keyBlock.slice(HEADER_BYTES, HEADER_BYTES + SALT_BYTES));
      const raw = await crypto.subtle.exportKey('raw', this.unlocked.dataKey);
      await this.#putKeyBlock(fenced, await wrap(raw, salt, key), this.#counted);
    });
  }

  /** One change of the key block at a time: each writes all of it. */
  #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#turn.then(change);
    this.#turn = turn.catch(() => {});
    return turn;
  }

  /** Throws `CORRUPT`; `WRONG_KEY` where the key block is that of another database. */
  #readKeyBlock(): Promise<void> {
    return readTwice(async () => {
      const block = await this.#inner.read('manifest', KEY_KEY);
      if (await unlock(block, null, this.unlocked)) this.keyBlock = block!;
    });
  }

  /** Has the stored key block count all values that are to be encrypted, and some to come. */
  async #countAhead(backend: Backend, vacant?: Place): Promise<void> {
    if (this.#used <= this.#counted) return;
    // An exchange of the caller's key that failed may have arrived: it must not be undone. A damaged block is mended.
    await this.#readKeyBlock().catch(ifCorrupt);
    await this.#putKeyBlock(backend, this.keyBlock, this.#used + this.#countedAhead, vacant);
  }

  /** `block`: a whole one, which gets another count. */
  async #putKeyBlock(backend: Backend, block: ArrayBuffer, count: number, vacant?: Place): Promise<void> {
    const payload = new Uint8Array(block, HEADER_BYTES);
    const header = recodedHeader(block, 0, payload.length);
    new DataView(header.buffer).setUint32(COUNT_AT, count % this.#valuesPerKey, true);
    writeKeyNumber(header, Math.floor(count / this.#valuesPerKey));
    const value = recodedBlock(header, payload);
    await backend.commit([{ store: 'manifest', key: KEY_KEY, value }], vacant);
    this.keyBlock = value;
    this.#counted = count;
  }

  #dataKey(keyNumber: number): CryptoKey | Promise<CryptoKey> {
    if (keyNumber === 0) return this.unlocked.dataKey;
    const key = this.#derived.get(keyNumber) ?? derive(this.unlocked, keyNumber);
    this.#derived.set(keyNumber, key);
    return key;
  }

  async #encrypt(write: Put, keyNumber: number): Promise<Put> {
    const plain = new Uint8Array(write.value, HEADER_BYTES);
    const header = recodedHeader(write.value, CODEC, IV_BYTES + plain.length + TAG_BYTES);
    writeKeyNumber(header, keyNumber);
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const ciphertext = await crypto.subtle.encrypt(
      { name: 'AES-GCM', iv, additionalData: this.#place(write.store, write.key, header) },
      await this.#dataKey(keyNumber),
      plain,
    );
    return { ...write, value: recodedBlock(header, iv, new Uint8Array(ciphertext)) };
  }

  /** What cannot be decrypted comes back as what it is: a value whose payload is damaged. */
  async #decrypt(store: StoreName, key: number, value: ArrayBuffer): Promise<ArrayBuffer> {
    const codec = codecOf(value);
    if (codec === undefined || isClear(store, key)) return value;
    const header = new Uint8Array(value, 0, HEADER_BYTES);
    const payload = new Uint8Array(value, HEADER_BYTES);
    if (codec !== CODEC || payload.length < IV_BYTES + TAG_BYTES) return spoiledBlock(value);
    try {
      const plain = await crypto.subtle.decrypt(
        { name: 'AES-GCM', iv: payload.subarray(0, IV_BYTES), additionalData: this.#place(store, key, header) },
        await this.#dataKey(keyNumberOf(value)),
        payload.subarray(IV_BYTES),
      );
      return recodedBlock(recodedHeader(value, 0, plain.byteLength), new Uint8Array(plain));
    } catch {
      return spoiledBlock(value);
    }
  }

  /** Where a value stands and what its header says of it, but for checksums: authenticated with it. */
  #place(store: StoreName, key: number, header: Uint8Array): Uint8Array<ArrayBuffer> {
    const place = new Uint8Array(5 + 28 + this.unlocked.salt.length);
    place[0] = STORES.indexOf(store);
    new DataView(place.buffer).setUint32(1, key, true);
    place.set(header.subarray(0, 28), 5);
    place.set(encoder.encode(this.unlocked.salt), 5 + 28);
    return place;
  }
}

function isSecret(write: Write): write is Put {
  return 'value' in write && !isClear(write.store, write.key);
}

/** Fences and the key block itself, beside the manifest. */
function isClear(store: StoreName, key: number): boolean {
  return store === 'manifest' && (key >= FENCE_KEY_FIRST || key === KEY_KEY);
}

/** Extractable, to be wrapped again when the caller's key is exchanged. It never leaves the worker. */
function importDataKey(raw: BufferSource): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', raw, 'AES-GCM', true, ['encrypt', 'decrypt']);
}

/** A data key after the first: HKDF-Expand of it (RFC 5869), in one block. */
async function derive({ salt, dataKey }: Unlocked, keyNumber: number): Promise<CryptoKey> {
  const first = await crypto.subtle.exportKey('raw', dataKey);
  const secret = await crypto.subtle.importKey('raw', first, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const info = encoder.encode(`piramid data key ${keyNumber + 1} ${salt}\x01`);
  return importDataKey(await crypto.subtle.sign('HMAC', secret, info));
}

async function wrap(raw: BufferSource, salt: Uint8Array<ArrayBuffer>, key: CryptoKey): Promise<ArrayBuffer> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const wrapped = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: wrapContext(salt) }, key, raw);
  const payload = joined(salt, iv, new Uint8Array(wrapped));
  return encodeBlock({ kind: 'key', collection: 0, key: KEY_KEY, firstRow: 0, rowCount: 0 }, payload);
}

function unwrap(payload: Uint8Array<ArrayBuffer>, key: CryptoKey): Promise<ArrayBuffer> {
  const salt = payload.subarray(0, SALT_BYTES);
  const iv = payload.subarray(SALT_BYTES, SALT_BYTES + IV_BYTES);
  const wrapped = payload.subarray(SALT_BYTES + IV_BYTES);
  return crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: wrapContext(salt) }, key, wrapped);
}

function wrapContext(salt: Uint8Array): Uint8Array<ArrayBuffer> {
  return joined(encoder.encode('piramid data key 1'), salt);
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
