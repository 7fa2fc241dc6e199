declare global {
  /** The model's files by their paths, as `open(name, { models: { bytes } })` of piramid takes them. */
  var piramidStaticEn: {
    readonly 'static-en': { readonly [path in 'raw/table.u4' | 'raw/scales.f32' | 'tokenizer.json']: Uint8Array };
  };
}
export {};
