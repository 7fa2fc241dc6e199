// Names, sizes and hashes of the files that models are read from. Imports nothing: the workers read it, and so does the
// command that copies these files (src/site, in Node).

/** A file that is known down to its bytes. */
export interface PinnedFile {
  /** Below the model's folder. */
  path: string;
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
}

export const STATIC_MODEL = 'static-en';
export const STATIC_TABLE: PinnedFile = {
  path: 'raw/table.u4',
  bytes: 5_760_000,
  sha256: '1e3b9086025c47af7b0e033aece5cebd8218a8b0ee689b5d5fbce591593e5c58',
};
export const STATIC_SCALES: PinnedFile = {
  path: 'raw/scales.f32',
  bytes: 180_000,
  sha256: '9c7c73d94cd27ae8f66b7f89b6f259fcccce052bdc1692735a1c6de3eb9d9075',
};
export const STATIC_TOKENIZER: PinnedFile = {
  path: 'tokenizer.json',
  bytes: 712_725,
  sha256: '1aa58b061e72362fd4efd8430a46bf62b72feab3fd227d41d0cca805ddaaf455',
};

/** ONNX Runtime for the CPU: half the size of the build that also knows WebGPU, and quicker to load and to run. */
export const RUNTIME_MODULE = 'ort-wasm-simd-threaded.mjs';
export const RUNTIME_WASM = 'ort-wasm-simd-threaded.wasm';
/** transformers.js in one file, for pages without a bundler: a worker has no import map. */
export const TRANSFORMERS_MODULE = 'transformers.min.js';

/** What to do about files that are missing. */
export const MISSING_FILES_ADVICE =
  "copy them with `npx piramid copy-assets public/piramid` or the Vite plugin piramid/vite, and open with assets: '/piramid/'";
/** The same for a model of transformers.js. */
export const COPY_MODEL_ADVICE = '`npx piramid copy-assets public/piramid --model FOLDER` copies a model';
