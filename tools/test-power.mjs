// `npm run test:power -- --images N`: power loss in a real Chromium, on both of its IndexedDB engines. 20 images of each by
// default, as in continuous integration; some hundreds by hand. Needs gcc, on Linux.
import { parseArgs } from 'node:util';
import { runLongSuites } from './long-suites.mjs';

const { values } = parseArgs({ options: { images: { type: 'string', default: '20' } } });
if (!/^[1-9]\d*$/.test(values.images)) {
  console.error(`piramid: --images: expected a number above 0, got ${values.images}`);
  process.exit(2);
}
const suite = (engine) => ({
  name: `power loss, ${engine}`,
  args: ['--project', 'power', `test/power/${engine}.test.ts`],
  env: { PIRAMID_POWER_IMAGES: values.images },
});
await runLongSuites([[[suite('leveldb')], [suite('sqlite')]]], /power\.\S+ images=.*/g);
