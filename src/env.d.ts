/// <reference types="vite/client" />
// Files that the build turns into modules.
declare module '*.as.ts?wasm' {
  /** The compiled module's bytes, deflated, base64. */
  const base64: string;
  export default base64;
}
declare module '*.as.ts?wasm-relaxed' {
  /** The same, compiled with relaxed SIMD. */
  const base64: string;
  export default base64;
}
/** Where `stemmers.js` is, seen from `src/api/assets.ts` or the bundle. */
declare const PIRAMID_STEMMERS: string;
/** The package's version. */
declare const PIRAMID_RELEASE: string;
/** Puts `pdfjsWorker` into the global scope, and exports the same. */
declare module 'pdfjs-dist/legacy/build/pdf.worker.mjs';
