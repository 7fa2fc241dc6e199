// Bytes that are written and read one number after the other. A varint is LEB128: 7 bits a byte, lowest first.
import { PiramidError } from '../errors.ts';

/** Bytes that grow at the end. */
export class ByteWriter {
  length = 0;
  #bytes = new Uint8Array(1024);

  varint(value: number): void {
    this.#reserve(5);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#bytes[this.length++] = rest;
  }

  append(bytes: Uint8Array, start = 0): void {
    this.#reserve(bytes.length - start);
    for (let i = start; i < bytes.length; i++) this.#bytes[this.length++] = bytes[i]!;
  }

  written(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  #reserve(count: number): void {
    if (this.length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.length + count));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}

export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.bytes[this.at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      if (!(scale < 2 ** 28)) throw new PiramidError('CORRUPT', 'a number runs over its end');
      scale *= 0x80;
    }
  }
}
