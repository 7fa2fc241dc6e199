// One line a test, the same for all: how many trials, and what they found.
import { expect } from 'vitest';

export interface Found {
  /** Trials. */
  count: number;
  /** Acknowledged writes that were gone. */
  lost: number;
  /** Answers with something that was never written, or that was damaged. */
  corrupt: number;
  /** Calls that never settled. */
  hung: number;
}

/** Prints the line, which `npm run test:faults` collects into its table, and demands zeros. */
export function report(name: string, { count, lost, corrupt, hung }: Found): void {
  console.log(`faults.${name} count=${count} lost=${lost} corrupt=${corrupt} hung=${hung}`);
  expect({ name, lost, corrupt, hung }).toEqual({ name, lost: 0, corrupt: 0, hung: 0 });
}

/** How many trials: as asked for in the environment, else what CI runs. */
export function trials(variable: string, count: number): number {
  return Number(process.env[variable] ?? count);
}

/** Replays a failure: the same seed, the same trials. */
export const SEED = Number(process.env.PIRAMID_SEED ?? 1);
