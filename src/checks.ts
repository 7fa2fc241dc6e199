// The checks that more than one door needs: what users pass (api/input) and what files bring in (worker/imported). Each
// refusal says what was expected and what came.
import { PiramidError, toPiramidError } from './errors.ts';
import type { EmbedderOptions, Language, Metric, Quantization, RecordId } from './types.ts';

/** What options can be, and their bounds. */
export const METRICS = 'cosine dot l2 l1 hamming jaccard'.split(' ') as Metric[];
export const LANGUAGES = 'ar hy bg da nl en fi fr de el hu hi id ga it lt ne no pt ro ru sr es sv ta tr none'.split(
  ' ',
) as Language[];

export const QUANTIZATIONS = 'none f16 int8 binary auto'.split(' ') as Quantization[];
export const DIMENSION_MAX = 65_536;
export const NAME_LENGTH_MAX = 512;
/** Names in IndexedDB, locks and channels of Piramid's databases begin with this, so that they meet nobody else's. */
export const DATABASE_PREFIX = 'piramid:';

/** The folder of a database's row files in the origin private file system. */
export function rowFilesOf(database: string): string {
  return `piramid-${encodeURIComponent(database)}.rows`;
}

export function invalid(message: string): PiramidError {
  return new PiramidError('INVALID_ARGUMENT', message);
}

/** Options each of which is there, if only as undefined: nothing that is added to `Object.prototype` shows through. */
export type Given<Options> = { [Name in keyof Options]-?: Options[Name] | undefined };

/** Runs checks. Getters and proxies of users run in them, and what these throw is `INVALID_ARGUMENT`. */
export function door<T>(check: () => T): T {
  try {
    return check();
  } catch (error) {
    throw toPiramidError(error, 'INVALID_ARGUMENT', 'an argument could not be read');
  }
}

/**
 * Options as an object that has their own keys and no prototype: whatever a page adds to `Object.prototype` is no option. Refuses
 * those that do not exist, so that none is silently ignored, and looks at `signal` and `onProgress`, which many calls have.
 */
export function readOptions<T extends object>(value: T | undefined, known: readonly string[], what: string): T {
  return door(() => {
    if (value !== undefined && (typeof value !== 'object' || value === null))
      throw invalid(`${what}: expected an object, got ${describe(value)}`);
    const own = Object.assign(Object.create(null), value);
    for (const key of Object.keys(own)) {
      if (!known.includes(key)) throw invalid(`${what}: unknown option "${key}"; known are ${known.join(', ')}`);
    }
    const { signal, onProgress } = own;
    if (signal !== undefined && !(signal instanceof AbortSignal))
      throw invalid(`signal: expected an AbortSignal, got ${describe(signal)}`);
    if (onProgress !== undefined && typeof onProgress !== 'function')
      throw invalid(`onProgress: expected a function, got ${describe(onProgress)}`);
    return own;
  });
}

/** Refuses a value that is not undefined and not one of `choices`. */
export function checkChoice<T extends string>(value: T | undefined, choices: readonly T[], what: string): void {
  if (value !== undefined) requireChoice(value, choices, what);
}

export function requireChoice<T extends string>(value: T, choices: readonly T[], what: string): T {
  if (choices.includes(value)) return value;
  throw invalid(`${what}: expected ${choices.map((choice) => `'${choice}'`).join(' or ')}, got ${describe(value)}`);
}

export function checkName(name: unknown, what: string): string {
  if (typeof name !== 'string' || name.length === 0 || name.length > NAME_LENGTH_MAX || !isWellFormed(name)) {
    throw invalid(`${what}: expected a name of 1 to ${NAME_LENGTH_MAX} characters, got ${describe(name)}`);
  }
  return name;
}

export function checkInteger(value: unknown, min: number, max: number, what: string): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(`${what}: expected an integer from ${min} to ${max}, got ${describe(value)}`);
  }
  return value;
}

export function checkId(id: unknown, where: string): RecordId {
  const valid = typeof id === 'string' ? id.length > 0 && isWellFormed(id) : Number.isSafeInteger(id);
  if (!valid)
    throw invalid(`${where}: expected an id that is a non-empty string or a safe integer, got ${describe(id)}`);
  return Object.is(id, -0) ? 0 : (id as RecordId);
}

export function checkText(text: unknown, what: () => string): string {
  if (typeof text !== 'string') throw invalid(`${what()}: expected a string, got ${describe(text)}`);
  if (!isWellFormed(text))
    throw invalid(`${what()}: holds half of a surrogate pair, which cannot be stored; use text.toWellFormed()`);
  return text;
}

/** Refuses a vector that no metric can score. `given`: the numbers as they came, before they were float32. */
export function checkNumbers(
  numbers: Float32Array,
  metric: Metric,
  what: () => string,
  given: ArrayLike<number> = numbers,
): void {
  let sum = 0; // of squares, in float64: finite exactly if every number is
  for (let i = 0; i < numbers.length; i++) sum += numbers[i]! * numbers[i]!;
  if (!Number.isFinite(sum)) {
    const bad = numbers.findIndex((x) => !Number.isFinite(x));
    throw invalid(`${what()}: number ${bad} is ${given[bad]}, expected a finite float32`);
  }
  if (sum === 0 && metric === 'cosine') {
    throw invalid(
      `${what()}: all numbers are zero, and a zero vector has no direction, which the cosine needs. Leave the vector out, or use another metric.`,
    );
  }
}

const EMBEDDER_OPTIONS = ['model', 'dtype', 'pooling', 'queryPrefix', 'documentPrefix'];

/** Options of a worker-side embedder, in full. Without `readOptions`, which the worker's half does not need. */
export function embedderOptions(embedder: string | EmbedderOptions): EmbedderOptions {
  if (typeof embedder === 'string') return { model: checkName(embedder, 'embedder') };
  return door(() => {
    if (typeof embedder !== 'object' || embedder === null)
      throw invalid(`embedder: expected the name of a model, its options, or an Embedder, got ${describe(embedder)}`);
    const own: { [name: string]: unknown } = Object.assign(Object.create(null), embedder);
    for (const [name, value] of Object.entries(own)) {
      if (!EMBEDDER_OPTIONS.includes(name))
        throw invalid(`embedder: unknown option "${name}"; known are ${EMBEDDER_OPTIONS.join(', ')}`);
      if (value !== undefined && typeof value !== 'string')
        throw invalid(`embedder.${name}: expected a string, got ${describe(value)}`);
    }
    checkName(own.model, 'embedder.model');
    if (![undefined, 'mean', 'cls', 'last'].includes(own.pooling as string | undefined))
      throw invalid(`embedder.pooling: expected 'mean' or 'cls' or 'last', got ${describe(own.pooling)}`);
    return { ...own } as unknown as EmbedderOptions;
  });
}

function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed?: () => boolean }).isWellFormed?.() ?? !/[\uD800-\uDFFF]/u.test(text);
}

/** What came, in few words. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return value.length > 40 ? `a string of ${value.length} characters` : `'${value}'`;
  if (typeof value === 'bigint') return `the bigint ${value}`;
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  if (typeof value !== 'object' || value === null) return String(value);
  const name: string = Object.getPrototypeOf(value)?.constructor?.name ?? 'Object';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (ArrayBuffer.isView(value)) return `a ${name} of ${(value as Float32Array).length}`;
  if (name === 'Date') return Number.isNaN(Number(value)) ? 'an invalid Date' : (value as Date).toISOString();
  if (name === 'Promise') return 'a Promise (is an await missing?)';
  return name === 'Object' ? 'an object' : `a ${name}`;
}
