// What a mutant is, and a short way to list several of one file.

export interface Mutant {
  /** What does not hold any more. */
  promise: string;
  file: string;
  /** Stands in the file once. */
  from: string;
  to: string;
  /** A test file that must notice it. */
  test: string;
  /** Where the whole file takes long: the beginning of a test's name. */
  named?: string;
}

export type Change = readonly [promise: string, from: string, to: string];

/** Changes of `file` that `test` must notice. */
export function breaking(
  file: string,
  test: string | readonly [test: string, named: string],
  changes: readonly Change[],
): Mutant[] {
  const guard = typeof test === 'string' ? { test } : { test: test[0], named: test[1] };
  return changes.map(([promise, from, to]) => ({ promise, file, from, to, ...guard }));
}
