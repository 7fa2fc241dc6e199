import type { RowHandle } from '../../../src/store/rows/row-file.ts';

/** A file in memory that fails when it is told to. */
export class SimulatedFile implements RowHandle {
  bytes = new Uint8Array();
  room = Number.POSITIVE_INFINITY;
  isClosed = false;

  read(bytes: Uint8Array, { at }: { at: number }): number {
    if (this.isClosed) throw new Error('closed');
    const part = this.bytes.subarray(at, at + bytes.length);
    bytes.set(part);
    return part.length;
  }

  write(bytes: Uint8Array, { at }: { at: number }): number {
    if (this.isClosed) throw new Error('closed');
    if (at + bytes.length > this.room) throw new DOMException('no room', 'QuotaExceededError');
    if (at + bytes.length > this.bytes.length) this.truncate(at + bytes.length);
    this.bytes.set(bytes, at);
    return bytes.length;
  }

  truncate(size: number): void {
    const bytes = new Uint8Array(size);
    bytes.set(this.bytes.subarray(0, size));
    this.bytes = bytes;
  }

  close(): void {
    this.isClosed = true;
  }

  /** As the next opener gets it. */
  reopened(): SimulatedFile {
    const file = new SimulatedFile();
    file.bytes = this.bytes.slice();
    return file;
  }
}
