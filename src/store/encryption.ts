// Encryption at rest: a backend whose values are AES-GCM ciphertext behind a header that stays readable, so that damage is
// found without the key. A data key, made at random once, encrypts the values; the caller's key encrypts that one, in a block
// beside the manifest, and can be exchanged without touching a value. Which value stands where is authenticated.
import { PiramidError } from '../errors.ts';
import type { Backend, Write } from './backend.ts';
import { readTwice } from './damage.ts';
import {
  codecOf,
  decodeBlock,
  encodeBlock,
  HEADER_BYTES,
  recodedBlock,
  recodedHeader,
  spoiledBlock,
} from './format.ts';
import { readManifest } from './manifest.ts';
import { FENCE_KEY_FIRST, KEY_KEY, STORES, type StoreName } from './schema.ts';

const CODEC = 1;
const SALT_BYTES = 16;
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** What a worker knows of a database whose key it has proven. */
export interface Unlocked {
  /** Names the data key. */
  salt: string;
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
 */
export async function openEncryption(
  inner: Backend,
  key: CryptoKey | null,
  known: Unlocked | null = null,
): Promise<Encryption | null> {
  const stored = await readTwice(() => inner.read('manifest', KEY_KEY));
  if (stored || !key) {
    const unlocked = await unlock(stored, key, known);
    return unlocked && new OpenEncryption(inner, unlocked, stored!, null);
  }
  if ((await readManifest(inner)).manifest) await unlock(undefined, key);
  const raw = crypto.getRandomValues(new Uint8Array(32));
  const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  const block = await wrap(raw, salt, key);
  return new OpenEncryption(inner, { salt: hex(salt), dataKey: await importDataKey(raw) }, block, key);
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
  /** The caller's, while the block is to be written. */
  #fresh: CryptoKey | null;

  constructor(inner: Backend, unlocked: Unlocked, keyBlock: ArrayBuffer, fresh: CryptoKey | null) {
    this.#inner = inner;
    this.unlocked = unlocked;
    this.keyBlock = keyBlock;
    this.#fresh = fresh;
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
      commit: async (writes, vacant) =>
        inner.commit(await Promise.all(writes.map((write) => this.#encrypt(write))), vacant),
    };
  }

  async establish(fenced: Backend): Promise<void> {
    await this.#findQuicker();
    if (!this.#fresh) return;
    await fenced.commit([keyWrite(this.keyBlock)]);
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

  async rotate(fenced: Backend, key: CryptoKey): Promise<void> {
    const { payload } = decodeBlock(this.keyBlock, { kind: 'key', key: KEY_KEY });
    const salt = payload.slice(0, SALT_BYTES);
    const block = await wrap(await crypto.subtle.exportKey('raw', this.unlocked.dataKey), salt, key);
    await fenced.commit([keyWrite(block)]);
    this.keyBlock = block;
  }

  async #encrypt(write: Write): Promise<Write> {
    if (!('value' in write) || isClear(write.store, write.key)) return write;
    const plain = new Uint8Array(write.value, HEADER_BYTES);
    const header = recodedHeader(write.value, CODEC, IV_BYTES + plain.length + TAG_BYTES);
    const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
    const ciphertext = await crypto.subtle.encrypt(
      { name: 'AES-GCM', iv, additionalData: this.#place(write.store, write.key, header) },
      this.unlocked.dataKey,
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
        this.unlocked.dataKey,
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
    place.set(new TextEncoder().encode(this.unlocked.salt), 5 + 28);
    return place;
  }
}

/** Fences and the key block itself, beside the manifest. */
function isClear(store: StoreName, key: number): boolean {
  return store === 'manifest' && (key >= FENCE_KEY_FIRST || key === KEY_KEY);
}

function keyWrite(value: ArrayBuffer): Write {
  return { store: 'manifest', key: KEY_KEY, value };
}

/** Extractable, to be wrapped again when the caller's key is exchanged. It never leaves the worker. */
function importDataKey(raw: BufferSource): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', raw, 'AES-GCM', true, ['encrypt', 'decrypt']);
}

async function wrap(raw: BufferSource, salt: Uint8Array<ArrayBuffer>, key: CryptoKey): Promise<ArrayBuffer> {
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES));
  const wrapped = await crypto.subtle.encrypt({ name: 'AES-GCM', iv, additionalData: wrapContext(salt) }, key, raw);
  const payload = new Uint8Array(SALT_BYTES + IV_BYTES + wrapped.byteLength);
  payload.set(salt);
  payload.set(iv, SALT_BYTES);
  payload.set(new Uint8Array(wrapped), SALT_BYTES + IV_BYTES);
  return encodeBlock({ kind: 'key', collection: 0, key: KEY_KEY, firstRow: 0, rowCount: 0 }, payload);
}

function unwrap(payload: Uint8Array<ArrayBuffer>, key: CryptoKey): Promise<ArrayBuffer> {
  const salt = payload.subarray(0, SALT_BYTES);
  const iv = payload.subarray(SALT_BYTES, SALT_BYTES + IV_BYTES);
  const wrapped = payload.subarray(SALT_BYTES + IV_BYTES);
  return crypto.subtle.decrypt({ name: 'AES-GCM', iv, additionalData: wrapContext(salt) }, key, wrapped);
}

function wrapContext(salt: Uint8Array): Uint8Array<ArrayBuffer> {
  const label = new TextEncoder().encode('piramid data key 1');
  const context = new Uint8Array(label.length + salt.length);
  context.set(label);
  context.set(salt, label.length);
  return context;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
