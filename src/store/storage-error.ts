// What browsers say when their storage fails, in the words of this library. Their words differ from engine to engine and from one
// failure to the next, so what counts first is what the storage does.
import { PiramidError, toPiramidError } from '../errors.ts';

/** What was asked for may have been done, or not. */
function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof DOMException)) return false;
  return error.name === 'InvalidStateError' || (error.name === 'UnknownError' && /connect/i.test(error.message));
}

/** A transaction that the browser gave up because its worker was frozen in the middle of it. */
function isTimeout(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}

/** That there is no room, as far as browsers have a word for it. */
function isFull(error: unknown): boolean {
  if (!(error instanceof DOMException)) return false;
  return (
    error.name === 'QuotaExceededError' || (error.name === 'DataError' && /Failed to write blobs/i.test(error.message))
  );
}

/** A failure of the storage of which the browser does not say what it is. */
function isUnexplained(error: unknown): boolean {
  const names = ['UnknownError', 'AbortError', 'OperationError', 'DataError'];
  return error instanceof DOMException && names.includes(error.name) && !isFull(error);
}

/** What may help: once more on this connection, or on a new one. */
export function remedyOf(error: unknown): 'again' | 'reconnect' | null {
  if (isTimeout(error)) return 'again';
  // Where Chromium says that the disk failed it, opening the database at once may cost all of it.
  const isDiskFailure = /IO error|NO_SPACE/.test((error as Error).message);
  return isConnectionLost(error) && !isDiskFailure ? 'reconnect' : null;
}

/**
 * A storage that has been open and does not take what is written to it is full, whatever the browser
 * calls it, or failing, which comes to the same: what is there is read, and writes come back when it takes them again.
 */
export function writeError(error: unknown, what: string): PiramidError {
  const known = storageError(error, what);
  if (known.code !== 'STORAGE_FAILED' || !(isUnexplained(known.cause) || isConnectionLost(known.cause))) return known;
  return new PiramidError(
    'STORAGE_FULL',
    `${what}: the storage takes no writes; the disk is full, or failing. Nothing was written.`,
    { cause: known.cause },
  );
}

/** What browsers call "full" has several names; people need to know which of two things it is. */
export function storageError(error: unknown, what: string): PiramidError {
  if (error instanceof PiramidError) return error;
  const { name = '', message = String(error) } = error instanceof DOMException || error instanceof Error ? error : {};
  if (isFull(error) && (name === 'DataError' || /disk/i.test(message)))
    return new PiramidError('STORAGE_FULL', `${what}: the disk is full. Nothing was written.`, { cause: error });
  if (isFull(error)) {
    return new PiramidError(
      'QUOTA_EXCEEDED',
      `${what}: the browser's storage quota for this site is used up. Nothing was written; delete something or ask for persistent storage.`,
      { cause: error },
    );
  }
  // Chromium keeps large values in files of their own, and says so when one is gone.
  const code =
    name === 'NotReadableError' || /irrecoverable|Failed to read large/i.test(message) ? 'CORRUPT' : 'STORAGE_FAILED';
  return toPiramidError(error, code, `IndexedDB failed while ${what}`);
}
