import './model.js';

/** The model's files by their paths, as `open(name, { models: { bytes } })` of piramid takes them. */
declare const bytes: typeof globalThis.piramidStaticEn;
export default bytes;
