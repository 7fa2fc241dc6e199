// One term of office: the engine of a database, from when its worker got hold of the database until it lets go or loses
// it. Runs calls, whoever they come from, after making sure that the term has not ended unnoticed.
import { PiramidError } from '../../errors.ts';
import type { CreateModelLoader } from '../../models/model.ts';
import type { CallId, EngineEvent, EngineOptions, Notice, OpenedDatabase } from '../../protocol.ts';
import type { Origin } from '../../store/answered.ts';
import { isTakenOver } from '../../store/backend.ts';
import type { Unlocked } from '../../store/encryption.ts';
import { type ImportAsset, noAssets } from '../assets.ts';
import { createEngine, type LocalEngine, type OpenShard } from '../engine.ts';
import { holdOpenerLock, type Opener } from '../locks.ts';
import type { Platform } from '../platform.ts';
import { METHODS, type Method } from './messages.ts';

/**
 * A worker that was frozen may wake up to find another one in office. So a proof that it is not so, a look for a fence,
 * holds for this long, milliseconds; who takes over from one that may still live waits as long before it answers anything. A
 * look costs about as much as an empty call.
 */
export const LEASE_MS = 200;

export interface Running {
  answer: Promise<unknown>;
  cancel(): void;
}

export class Term {
  /** What `open` said. */
  opened: OpenedDatabase | null = null;
  readonly #engine: LocalEngine;
  readonly #now: Platform['now'];
  readonly #wait: Platform['wait'];
  readonly #locks: Platform['locks'];
  /** Null where there is nobody to share with. */
  #opener: Opener | null = null;
  #isClosed = false;
  #closing: Promise<void> | null = null;
  readonly #origins = new Map<CallId, () => Origin>();
  readonly #listeners = new Map<CallId, (event: EngineEvent) => void>();
  readonly #onNotice: (notice: Notice) => void;
  #lastCall = 0;
  #provenAt = 0;
  /** The look for a fence that is under way. */
  #proof: { begun: number; done: Promise<void> } | null = null;

  constructor(
    { now, wait, locks, openBackend, openRowHandle }: Platform,
    createModelLoader: CreateModelLoader,
    openShard: OpenShard,
    onNotice: (notice: Notice) => void,
    importAsset: ImportAsset = noAssets,
  ) {
    this.#now = now;
    this.#wait = wait;
    this.#locks = locks;
    this.#onNotice = onNotice;
    this.#engine = createEngine(createModelLoader, {
      originOf: (call) => this.#origins.get(call)?.() ?? null,
      openShard,
      importAsset,
      openBackend,
      openRowHandle,
      areOthersGone: async () => (await this.#opener?.isAlone()) ?? false,
      onRenamed: (id, name) => onNotice({ name: 'renamed', detail: { id, name } }),
    });
  }

  /** `isShared`: other workers may open the database. `known`: what this one knows of its encryption. */
  async open(options: EngineOptions, isShared: boolean, known: Unlocked | null): Promise<OpenedDatabase> {
    if (isShared) this.#opener = await holdOpenerLock(this.#locks!, options.name);
    try {
      if (this.#isClosed) throw new PiramidError('CLOSED', 'the term ended before it began');
      this.#provenAt = this.#now();
      this.opened = await this.#engine.open(
        options,
        (event) => (event.type === 'notice' ? this.#onNotice(event.notice) : this.#listeners.get(event.call)?.(event)),
        known,
      );
      return this.opened;
    } catch (error) {
      this.#opener?.leave();
      throw error;
    }
  }

  /** Resolves once nobody else can believe to be in office: others' last proofs from before this term have run out. */
  async outlastOthers(): Promise<void> {
    if (this.#opener && !(await this.#opener.isAlone())) await this.#wait(LEASE_MS);
  }

  /** `origin`: of a write that may be sent again. Rejects with `BLOCKED` once the term has ended by force. */
  run(
    method: Method,
    args: readonly unknown[],
    origin: (() => Origin) | null,
    onEvent: (event: EngineEvent) => void,
  ): Running {
    const call = ++this.#lastCall;
    if (origin) this.#origins.set(call, origin);
    this.#listeners.set(call, onEvent);
    let cancelled = false;
    const run = this.#engine[method] as (...args: unknown[]) => Promise<unknown>;
    const answer = async () => {
      try {
        const proof = this.prove();
        if (proof) await proof;
        if (cancelled) throw new PiramidError('ABORTED', 'the call was cancelled by its signal; nothing was done');
        return await run(...args, ...(METHODS[method] === 'plain' ? [] : [call]));
      } finally {
        this.#origins.delete(call);
        this.#listeners.delete(call);
      }
    };
    const cancel = () => {
      cancelled = true;
      this.#engine.cancel(call);
    };
    return { answer: answer(), cancel };
  }

  /** What is to be told to a tab that comes now. */
  get notices(): Notice[] {
    return this.#engine.notices();
  }

  /** Of an encrypted database: the key as it is stored, and what this worker makes of it. */
  get keyBlock(): ArrayBuffer | null {
    return this.#engine.encryption()?.keyBlock ?? null;
  }

  get unlocked(): Unlocked | null {
    return this.#engine.encryption()?.unlocked ?? null;
  }

  /** Null while the last proof holds. Calls that come meanwhile wait for the same one, and so keep their order. */
  prove(): Promise<void> | null {
    const begun = this.#now();
    if (begun - this.#provenAt < LEASE_MS) return null;
    // One that was under way when the worker was frozen says nothing of now.
    if (!this.#proof || begun - this.#proof.begun >= LEASE_MS) {
      const proof = { begun, done: this.#checkFence(begun) };
      this.#proof = proof;
      const end = () => {
        if (this.#proof === proof) this.#proof = null;
      };
      proof.done.then(end, end);
    }
    return this.#proof.done;
  }

  /** Finishes writes, rejects other calls with `CLOSED`. One that is being opened has to be closed again when it is open. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (!this.opened) return;
    this.#closing ??= this.#end();
    await this.#closing;
  }

  async #end(): Promise<void> {
    try {
      // Writes that wait for it came before the end: the engine is to have them, and finish them.
      await this.#proof?.done.catch(() => {});
      await this.#engine.close();
    } finally {
      this.#opener?.leave();
    }
  }

  async #checkFence(begun: number): Promise<void> {
    try {
      await this.#engine.checkFence();
    } catch (error) {
      if (isTakenOver(error)) throw error;
      // Of a storage that cannot be read, the call itself says more.
    }
    this.#provenAt = begun;
  }
}
