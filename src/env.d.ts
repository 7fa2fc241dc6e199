/// <reference types="vite/client" />
// Files that the build turns into modules.
declare module '*?wasm' {
  const wasm: {
    /** The compiled modules' bytes, one behind the other, as letters of `alphabet`. */
    readonly text: string;
    readonly alphabet: string;
    /** Where each of them ends. */
    readonly ends: readonly number[];
  };
  export default wasm;
}
/** Where the sources of files are that are loaded on demand, seen from `src/api/beside.ts`; null in the library. */
declare const PIRAMID_SOURCES: { readonly [file: string]: string } | null;
/** The package's version. */
declare const PIRAMID_RELEASE: string;
/** The same, and a hash of the sources. */
declare const PIRAMID_BUILD: string;
/** Puts `pdfjsWorker` into the global scope, and exports the same. */
declare module 'pdfjs-dist/legacy/build/pdf.worker.mjs';

/** In workers alone, so TypeScript's library for pages has none of it. */
interface FileSystemFileHandle {
  createSyncAccessHandle?(): Promise<FileSystemSyncAccessHandle>;
}
interface FileSystemSyncAccessHandle {
  read(bytes: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}
