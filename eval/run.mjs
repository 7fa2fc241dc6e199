// `npm run eval`: how good answers from documents are. Prints a line a figure, with a 95 % interval; see eval/main.ts.
// `--tune`: of the halves that constants are fitted on. `--only SET`: one set. `--list`: each question with what came. `--words`: without an embedder.
// `--curve`: the shares of `yes` if it began at other scores.
import { build, runnerImport } from 'vite';
import { ensureDependencies, root } from '../tools/setup.mjs';

ensureDependencies();
process.chdir(root);
process.env.NODE_ENV = 'production';
const { module: config } = await runnerImport(`${root}vite.config.ts`);
await build({
  configFile: false,
  logLevel: 'warn',
  root,
  resolve: { alias: config.alias },
  plugins: [withoutWorker(), ...config.sources()],
  build: { ssr: 'eval/main.ts', outDir: '.cache/eval', emptyOutDir: true, minify: false },
});
const { main } = await import(`${root}.cache/eval/main.js`);
await main(process.argv.slice(2));
process.exit();

/** The inlined worker is a browser's, and eval/engine.ts has another. */
function withoutWorker() {
  return {
    name: 'without-worker',
    enforce: 'pre',
    resolveId: (id) => (id.endsWith('worker.ts?worker&inline') ? '\0no-worker' : null),
    load: (id) => (id === '\0no-worker' ? 'export default class {}' : null),
  };
}
