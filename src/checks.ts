// The checks that more than one door needs: what users pass (api/input) and what files bring in (worker/imported). Each
// refusal says what was expected and what came.
import { PiramidError } from './errors.ts';
import type { EmbedderOptions, Language, Metric, Quantization, RecordId } from './types.ts';

/** What options can be, and their bounds. */
export const METRICS: readonly Metric[] = ['cosine', 'dot', 'l2', 'l1', 'hamming', 'jaccard'];
export const LANGUAGES: readonly Language[] = [
  'ar',
  'hy',
  'bg',
  'da',
  'nl',
  'en',
  'fi',
  'fr',
  'de',
  'el',
  'hu',
  'hi',
  'id',
  'ga',
  'it',
  'lt',
  'ne',
  'no',
  'pt',
  'ro',
  'ru',
  'sr',
  'es',
  'sv',
  'ta',
  'tr',
  'none',
];

export const QUANTIZATIONS: readonly Quantization[] = ['none', 'f16', 'int8', 'binary', 'auto'];
export const DIMENSION_MAX = 65_536;
export const NAME_LENGTH_MAX = 512;

export function invalid(message: string): PiramidError {
  return new PiramidError('INVALID_ARGUMENT', message);
}

/** Refuses options that do not exist, so that none is silently ignored. */
export function checkOptions(value: unknown, known: readonly string[], what: string): void {
  if (value === undefined) return;
  if (typeof value !== 'object' || value === null) throw invalid(`${what}: expected an object, got ${describe(value)}`);
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw invalid(`${what}: unknown option "${key}"; known are ${known.join(', ')}`);
  }
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
  if (typeof text !== 'string') throw invalid(`${what()}: text: expected a string, got ${describe(text)}`);
  if (!isWellFormed(text))
    throw invalid(`${what()}: text holds half of a surrogate pair, which cannot be stored; use text.toWellFormed()`);
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

/** Options of a worker-side embedder, in full. */
export function embedderOptions(embedder: string | EmbedderOptions): EmbedderOptions {
  if (typeof embedder === 'string') return { model: checkName(embedder, 'embedder') };
  if (embedder === undefined) throw invalid('embedder: expected the name of a model or its options, got undefined');
  checkOptions(embedder, ['model', 'dtype', 'pooling', 'queryPrefix', 'documentPrefix'], 'embedder');
  checkName(embedder.model, 'embedder.model');
  checkChoice(embedder.pooling, ['mean', 'cls', 'last'], 'embedder.pooling');
  for (const option of ['dtype', 'queryPrefix', 'documentPrefix'] as const) {
    const value = embedder[option];
    if (value !== undefined && typeof value !== 'string')
      throw invalid(`embedder.${option}: expected a string, got ${describe(value)}`);
  }
  return { ...embedder };
}

function isWellFormed(text: string): boolean {
  return (text as string & { isWellFormed?: () => boolean }).isWellFormed?.() ?? !/[\uD800-\uDFFF]/u.test(text);
}

/** What came, in few words. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'string') return value.length > 40 ? `a string of ${value.length} characters` : `'${value}'`;
  if (typeof value === 'object') return `an object (${value.constructor?.name ?? 'without prototype'})`;
  if (typeof value === 'function') return 'a function';
  return String(value);
}
