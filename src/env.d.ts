/// <reference types="vite/client" />
// Files that the build turns into modules.
declare module '*.as.ts?wasm' {
  /** The compiled module's bytes, base64. */
  const base64: string;
  export default base64;
}
