// Code that is loaded on demand, for engines that have no page to ask for it.
import type { Code } from '../src/worker/assets.ts';
import { included } from '../src/worker/included.ts';

export async function importIncluded(file: string): Promise<unknown> {
  const code = included[file as keyof Code];
  if (!code) throw new Error(`${file} is not included`);
  return code;
}
