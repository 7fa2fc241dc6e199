// One-line mutants of promises, for `npm run test:mutants`: each changes one line so that one promise does not hold any more, and
// names the smallest test that must notice it.
import { assets } from './assets.ts';
import { documents } from './documents.ts';
import { doors } from './doors.ts';
import { files } from './files.ts';
import { kernels } from './kernels.ts';
import { models } from './models.ts';
import type { Mutant } from './mutant.ts';
import { search } from './search.ts';
import { storage } from './storage.ts';
import { tabs } from './tabs.ts';

export const mutants: readonly Mutant[] = [
  ...storage,
  ...files,
  ...tabs,
  ...kernels,
  ...search,
  ...doors,
  ...documents,
  ...assets,
  ...models,
];
