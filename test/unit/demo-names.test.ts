// Names of the demo's corpus, which the data set splits.
import { expect, test } from 'vitest';
import { wholeName } from '../../tools/demo-files.ts';

test.each([
  ['William Mc Kinley', 'William McKinley'],
  ["Sandra O' Connor", "Sandra O'Connor"],
  ['Douglas Mac Arthur', 'Douglas MacArthur'],
  ['John Fitz Gerald', 'John FitzGerald'],
  ['James Polk', 'James Polk'],
  ['Ulysses S Grant', 'Ulysses S Grant'],
])('%s is %s', (written, name) => {
  expect(wholeName(written)).toBe(name);
});
