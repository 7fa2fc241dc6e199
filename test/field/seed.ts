/** Of what is generated. Set PIRAMID_SEED to try others; in the browser it is always 1. */
export const SEED = Number(globalThis.process?.env.PIRAMID_SEED ?? 1);
