// The one error class, and every code it can carry. Crosses the worker boundary through `protocol.ts`.

/** What went wrong, for programs. The message says it for people and may change between releases. */
export type ErrorCode =
  /** An argument has the wrong type, range or name. */
  | 'INVALID_ARGUMENT'
  /** A vector's length is not the collection's dimension. */
  | 'DIMENSION_MISMATCH'
  /** The collection exists with other options than those given. */
  | 'CONFIG_MISMATCH'
  /** A named thing (collection, record to `update`) does not exist. */
  | 'NOT_FOUND'
  /** The thing to create exists already (`mode: 'insert'`, renaming onto a name in use). */
  | 'CONFLICT'
  /** The origin's storage quota is used up. */
  | 'QUOTA_EXCEEDED'
  /** The device's disk is full. */
  | 'STORAGE_FULL'
  /** The browser's storage failed for a reason of its own; nothing is known to be damaged. */
  | 'STORAGE_FAILED'
  /** Stored bytes fail their checksum or cannot be read. */
  | 'CORRUPT'
  /** A file to import is damaged, cut off, or not one that Piramid wrote. Nothing was imported. */
  | 'INVALID_FILE'
  /** The database is encrypted with another key, or with one and none was given, or the other way round. */
  | 'WRONG_KEY'
  /** Data that was acknowledged is gone. */
  | 'DATA_LOSS'
  /** Another tab has the database: one with an incompatible release, or on plain http one that opened it later. */
  | 'BLOCKED'
  /** The database was written by a newer, incompatible release. */
  | 'NEWER_FORMAT'
  /** The database, or the thing it belongs to, has been closed. */
  | 'CLOSED'
  /** The caller's `AbortSignal` fired. */
  | 'ABORTED'
  /** No answer came within the deadline. */
  | 'TIMEOUT'
  /** The worker could not be started, crashed, or was ended. */
  | 'WORKER_FAILED'
  /** The GPU went away and no other device could answer. */
  | 'DEVICE_LOST'
  /** A model could not be loaded, or failed while running. */
  | 'MODEL_FAILED'
  /** The collection was embedded with another model. */
  | 'MODEL_MISMATCH'
  /** The browser, worker or build lacks what this call needs. */
  | 'UNSUPPORTED';

/** What instances of every copy of the class have: code that is loaded on demand brings one of its own. */
const BRAND = Symbol.for('piramid.error');

/**
 * Every error that Piramid throws on purpose. Switch on `code`; show `message`, which does not repeat it, to people.
 */
export class PiramidError extends Error {
  override readonly name = 'PiramidError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** @internal */
  get [BRAND](): true {
    return true;
  }

  /** Of any copy of the class; subclasses have their own instances only. @internal */
  static override [Symbol.hasInstance](value: unknown): value is PiramidError {
    // biome-ignore lint/complexity/noThisInStatic: subclasses inherit this, and each is `this` here.
    if (this !== PiramidError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return (value as { [BRAND]?: true } | null | undefined)?.[BRAND] === true;
  }
}

/** `error` as a `PiramidError`: itself, or wrapped under `code` with its message kept. */
export function toPiramidError(error: unknown, code: ErrorCode, context: string): PiramidError {
  if (error instanceof PiramidError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new PiramidError(code, `${context}: ${message}`, { cause: error });
}

/** Throws `ABORTED` if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new PiramidError('ABORTED', 'the call was cancelled by its signal', { cause: signal.reason });
}
