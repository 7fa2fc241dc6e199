// Which forwarded writes have been applied. A tab that forwards a write to the one that holds the database cannot know,
// when that one dies, whether the write was made durable; so its number is stored in the transaction of the write itself,
// and the tab sends it again. Pure functions on small immutable lists.
import { ANSWERED_CLIENTS_MAX } from './schema.ts';

/** Whose write it is, and which. */
export interface Origin {
  /** UUID of the tab's worker. */
  client: string;
  /** Counts the calls of that client. */
  call: number;
  /** Its calls below this have had their answers, and are never sent again. */
  settled: number;
}

/** A client's applied writes that may be sent again: [call, records changed], by call. As stored in the manifest. */
export interface Answered {
  client: string;
  calls: [call: number, count: number][];
}

/** How many records that write changed, if it has been applied. */
export function countOf(answered: readonly Answered[], { client, call }: Origin): number | undefined {
  return answered.find((entry) => entry.client === client)?.calls.find(([number]) => number === call)?.[1];
}

/** `answered` with one write more; the client that wrote last stands last, and the first ones are forgotten. */
export function withAnswer(
  answered: readonly Answered[],
  { client, call, settled }: Origin,
  count: number,
): readonly Answered[] {
  const known = answered.find((entry) => entry.client === client)?.calls ?? [];
  const calls = known.filter(([number]) => number >= settled && number !== call);
  const others = answered.filter((entry) => entry.client !== client);
  return [...others.slice(1 - ANSWERED_CLIENTS_MAX), { client, calls: [...calls, [call, count]] }];
}

const ORIGIN_BYTES = 28;

/** Section of a log entry: UUID of the client (16 bytes), call, settled, records changed. */
export function encodeOrigin({ client, call, settled }: Origin, count: number): Uint8Array {
  const bytes = new Uint8Array(ORIGIN_BYTES);
  const view = new DataView(bytes.buffer);
  const hex = client.replaceAll('-', '');
  for (let i = 0; i < 16; i++) bytes[i] = Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16);
  view.setUint32(16, call, true);
  view.setUint32(20, settled, true);
  view.setUint32(24, count, true);
  return bytes;
}

export function decodeOrigin(bytes: Uint8Array): { origin: Origin; count: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const hex = Array.from(bytes.subarray(0, 16), (byte) => byte.toString(16).padStart(2, '0')).join('');
  const client = hex.replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
  return {
    origin: { client, call: view.getUint32(16, true), settled: view.getUint32(20, true) },
    count: view.getUint32(24, true),
  };
}
