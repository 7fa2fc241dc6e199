// What a worker has of its browser to know of other workers and of time: locks, channels, a clock, and where records are
// stored. Handed to everything that tabs do with each other, so that a test can be the browser.
import type { EngineOptions } from '../protocol.ts';
import type { Backend } from '../store/backend.ts';
import { openRowHandle } from '../store/rows/opfs.ts';
import type { RowHandle } from '../store/rows/row-file.ts';
import { backendOf } from './open-store.ts';

/** Web Locks, as far as they are used. */
export interface Locks {
  /** Settles with `hold`, or rejects: the signal fired before, or the lock was stolen. */
  request(
    name: string,
    options: { mode?: 'exclusive' | 'shared'; steal?: boolean; signal?: AbortSignal },
    hold: () => unknown,
  ): Promise<unknown>;
  query(): Promise<{ held?: readonly { name?: string; mode?: string; clientId?: string }[] }>;
}

/** One end of a BroadcastChannel. */
export interface Channel {
  /** To all other ends. Throws what cannot be cloned. */
  post(message: unknown): void;
  close(): void;
}

export interface Platform {
  /** Null where the context has none (plain http). */
  readonly locks: Locks | null;
  openChannel<Message>(name: string, receive: (message: Message) => void): Channel;
  /** Milliseconds; never goes back. */
  now(): number;
  wait(ms: number): Promise<void>;
  /** Until the result is called. */
  every(ms: number, run: () => void): () => void;
  newId(): string;
  openBackend(options: EngineOptions): Promise<Backend>;
  /** See `store/rows/opfs`. */
  openRowHandle(database: string): Promise<RowHandle | null>;
}

export const browser: Platform = {
  get locks() {
    return globalThis.navigator?.locks ?? null;
  },
  openChannel<Message>(name: string, receive: (message: Message) => void) {
    const channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }: MessageEvent<Message>) => receive(data);
    return { post: (message) => channel.postMessage(message), close: () => channel.close() };
  },
  now: () => performance.now(),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  every(ms, run) {
    const timer = setInterval(run, ms);
    return () => clearInterval(timer);
  },
  newId: () => crypto.randomUUID(),
  openBackend: backendOf,
  openRowHandle,
};
