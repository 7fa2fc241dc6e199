// The model's files as `open(name, { models: { bytes } })` of piramid takes them.
import './model.js';

export default globalThis.piramidStaticEn;
