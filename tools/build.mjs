// Builds the package into dist/ (ESM, script tag, workers, types) and, unless told `--lib`, the demo into dist/demo/.
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build, runnerImport } from 'vite';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
// Reading vite.config.ts through Vite would otherwise make everything after it a build for development.
process.env.NODE_ENV = 'production';

/** What is built: entry below src/, file in dist/, format, what stays an import, global name. */
const LIBRARIES = [
  ['index.ts', 'piramid.js', 'es', []],
  ['index.ts', 'piramid.iife.js', 'iife', []],
  ['client.ts', 'client.js', 'es', []],
  ['rag/index.ts', 'rag.js', 'es', []],
  ['rag/script.ts', 'rag.iife.js', 'iife', [], 'piramidRag'],
  ['import/index.ts', 'import.js', 'es', []],
  ['extract/pdf.ts', 'extract-pdf.js', 'es', [/^pdfjs-dist/]],
  ['extract/docx.ts', 'extract-docx.js', 'es', ['mammoth']],
  ['worker/worker.ts', 'worker.js', 'es', []],
  ['worker/rag-worker.ts', 'rag-worker.js', 'es', ['@huggingface/transformers']],
  ['site/vite.ts', 'vite.js', 'es', [/^node:/]],
  ['site/command.ts', 'command.js', 'es', [/^node:/]],
];

export async function buildLibrary() {
  const { module } = await runnerImport(`${root}vite.config.ts`);
  // The demo has a folder of its own in there, which may be being served.
  for (const name of existsSync(`${root}dist`) ? readdirSync(`${root}dist`) : []) {
    if (name !== 'demo') rmSync(`${root}dist/${name}`, { recursive: true });
  }
  const onDemand = Object.entries(module.ON_DEMAND).map(([file, entry]) => [entry, file, 'es', []]);
  for (const library of [...LIBRARIES, ...onDemand]) await build(module.library(...library));
  execFileSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.types.json'], {
    stdio: 'inherit',
  });
}

export async function buildDemo() {
  await build({ configFile: `${root}vite.config.ts`, logLevel: 'warn' });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (!process.argv.includes('--demo')) await buildLibrary();
  if (!process.argv.includes('--lib')) await buildDemo();
}
