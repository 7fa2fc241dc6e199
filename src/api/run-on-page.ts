// What users bring to a model's place runs on the page: what it gives is checked, and what it throws gets a code.
import { PiramidError, toPiramidError } from '../errors.ts';
import { describe } from './input.ts';

/** The answers of the user's own embedder or reranker, one per text. */
export async function runOnPage<T>(
  what: 'embedder' | 'reranker',
  count: number,
  run: () => Promise<T[]>,
): Promise<T[]> {
  const failed = (why: string) => new PiramidError('MODEL_FAILED', `the ${what} ${why}`);
  let answers: T[];
  try {
    answers = await run();
  } catch (error) {
    throw toPiramidError(error, 'MODEL_FAILED', `the ${what} failed`);
  }
  if (!Array.isArray(answers) || answers.length !== count)
    throw failed(`was given ${count} texts, and gave ${describe(answers)}`);
  if (what === 'reranker') {
    const i = answers.findIndex((score) => !Number.isFinite(score));
    if (i >= 0) throw failed(`gave text ${i} the score ${describe(answers[i])}, expected a finite number`);
  }
  return answers;
}
