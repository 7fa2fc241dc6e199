// Vite serves and builds the demo, which imports `piramid` by name like any user. The library's own builds are in
// tools/build.mjs, which takes `library` from here.
import { fileURLToPath } from 'node:url';
import { defineConfig, type InlineConfig, type LibraryFormats } from 'vite';
import { assemblyscript } from './tools/assemblyscript.ts';
import { demoFiles } from './tools/demo-files.ts';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The package's entries as their sources. Longer names first: an alias also matches what begins with it. */
export const alias = {
  'piramid/rag-worker': path('./src/worker/rag-worker.ts'),
  'piramid/rag': path('./src/rag/index.ts'),
  piramid: path('./src/index.ts'),
};

export default defineConfig({
  root: path('./demo'),
  base: './',
  cacheDir: path('./.cache/vite-demo'),
  resolve: { alias },
  plugins: [assemblyscript(), demoFiles()],
  worker: { format: 'es', plugins: () => [assemblyscript()] },
  build: {
    outDir: path('./dist/demo'),
    emptyOutDir: true,
    target: 'es2023',
    chunkSizeWarningLimit: 2000,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  optimizeDeps: { exclude: ['@huggingface/transformers'] },
});

/** A page of its own below `root`, built into `outDir` (the benchmark). */
export function page(root: string, outDir: string): InlineConfig {
  return {
    configFile: false,
    logLevel: 'warn',
    root,
    resolve: { alias },
    plugins: [assemblyscript()],
    worker: { format: 'iife', plugins: () => [assemblyscript()] },
    build: { outDir, emptyOutDir: true, target: 'es2023', rolldownOptions: { checks: { pluginTimings: false } } },
  };
}

/** One library build: `entry` below src/ as `file` in dist/. The worker goes inside as a classic script, see api/connect.ts. */
export function library(entry: string, file: string, format: LibraryFormats, external: string[] = []): InlineConfig {
  return {
    configFile: false,
    logLevel: 'warn',
    resolve: { alias },
    plugins: [assemblyscript()],
    worker: { format: 'iife', plugins: () => [assemblyscript()] },
    build: {
      outDir: path('./dist'),
      emptyOutDir: false,
      target: 'es2023',
      sourcemap: true,
      minify: true,
      copyPublicDir: false,
      lib: { entry: path(`./src/${entry}`), name: 'piramid', formats: [format], fileName: () => file },
      rolldownOptions: { external, checks: { pluginTimings: false } },
    },
  };
}
