// The child process of test-mutants: a vitest that stays, so that what it has transformed and compiled is done once for all mutants. Is sent
// one test at a time, with the file that has changed since the last one, and answers how it ended.
import { join } from 'node:path';
import { createVitest } from 'vitest/node';

const [root, project] = process.argv.slice(2);
const vitest = await createVitest('test', { root, project: [project], watch: false, bail: 1, reporters: ['default'] });
await vitest.standalone();

process.on('message', async ({ test, named, changed }) => {
  for (const file of changed) vitest.invalidateFile(join(root, file));
  if (named) vitest.setGlobalTestNamePattern(named);
  else vitest.resetGlobalTestNamePattern();
  const found = await vitest.globTestSpecifications([test]);
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(found);
  process.send(endOf(testModules, unhandledErrors));
});
process.on('disconnect', () => process.exit());
process.send('ready');

/** A mutant that cannot be loaded at all proves nothing, nor does a name that no test has. */
function endOf(modules, unhandled) {
  const states = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state));
  if (states.includes('failed') || unhandled.length > 0) return 'failed';
  if (!modules.every((module) => module.ok())) return 'could not run';
  return states.includes('passed') ? 'passed' : 'no test of that name';
}
