// The caller's key to an encrypted database: bytes become a `CryptoKey` that gives them to nobody, and one that cannot do
// the job is refused here.
import { PiramidError } from '../errors.ts';
import { describe, invalid } from './input.ts';

const KEY_BYTES = 32;

export async function importKey(key: unknown): Promise<CryptoKey> {
  if (!globalThis.crypto?.subtle) {
    throw new PiramidError(
      'UNSUPPORTED',
      'key: this page has no Web Crypto (crypto.subtle), which browsers keep from plain http; serve over https',
    );
  }
  if (key instanceof Uint8Array) {
    if (key.length !== KEY_BYTES) throw invalid(`key: expected ${KEY_BYTES} bytes, got ${key.length}`);
    return crypto.subtle.importKey('raw', new Uint8Array(key), 'AES-GCM', false, ['encrypt', 'decrypt']);
  }
  if (!(key instanceof CryptoKey))
    throw invalid(`key: expected a CryptoKey or a Uint8Array of ${KEY_BYTES} bytes, got ${describe(key)}`);
  const { algorithm, usages } = key;
  if (algorithm.name !== 'AES-GCM' || !usages.includes('encrypt') || !usages.includes('decrypt'))
    throw invalid(
      `key: expected a key of AES-GCM to encrypt and decrypt, got ${algorithm.name} to ${usages.join(', ')}`,
    );
  return key;
}
