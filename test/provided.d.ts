// What vitest.config.ts gives to the tests in the browser.
import 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Folder with models of this machine; '' without. */
    sharedModels: string;
    /** Seeded cases for each precision on WebGPU. */
    gpuCases: number;
    /** Injected losses of the GPU. */
    gpuLosses: number;
  }
}
