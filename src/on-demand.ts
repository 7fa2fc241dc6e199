// The files of code that is loaded on demand, and their sources here. The build makes them, sites serve them, and the worker asks for
// them by name (worker/assets.ts).
export const ON_DEMAND = {
  'stemmers.js': 'text/stemmers.ts',
  'transfer.js': 'worker/transfer.ts',
  'webgpu.js': 'kernels/webgpu/webgpu.ts',
} as const;
