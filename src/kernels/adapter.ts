// Whether there is a GPU that is good enough. Asked before `webgpu.js` is loaded: most of the code for it is needed nowhere else.

/**
 * Null where there is no usable GPU. Software adapters are 25 times slower than WASM: only with `software` are they
 * accepted.
 */
export async function findAdapter({ software }: { software: boolean }): Promise<GPUAdapter | null> {
  // Absent in Node, in insecure contexts and in some workers.
  const gpu = (globalThis.navigator as Navigator | undefined)?.gpu;
  try {
    const adapter = await gpu?.requestAdapter({ powerPreference: 'high-performance' });
    return adapter && (software || !isSoftware(adapter)) ? adapter : null;
  } catch {
    // Blocked drivers throw.
    return null;
  }
}

export function isSoftware(adapter: GPUAdapter): boolean {
  // Chrome moved the flag from the adapter to its info.
  return adapter.info.isFallbackAdapter || (adapter as { isFallbackAdapter?: boolean }).isFallbackAdapter === true;
}
