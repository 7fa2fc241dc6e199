// `npm run test:field`: faults that people met in the field, one file per item of the issue that reports them, with the counts of
// generated inputs that continuous integration takes. Ends with the figures and a line that counts the tests.
import { runLongSuites } from './long-suites.mjs';

const SUITES = [
  [
    [{ name: 'field, in Node', args: ['--project', 'field'] }],
    [{ name: 'field, in Chromium', args: ['--project', 'field-browser'] }],
  ],
];

await runLongSuites(SUITES, /field\.\S+ .*wrong=\d+.*/g);
