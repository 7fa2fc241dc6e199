// What `webgpu.js` has: everything that computes on a GPU. Loaded where there is one (see worker/assets.ts). It brings copies of its
// own of what it imports, so nothing that crosses may be told by its class.
export { createGpuCodes } from './codes.ts';
export { openGpu } from './device.ts';
export { measuredRoute } from './route.ts';
export { createGpuRows } from './rows.ts';

/** A worker takes the file of its own release only. */
export const release = `webgpu.js ${PIRAMID_BUILD}`;
