// `piramid/import`: records from files of other programs and into them, as streams. Built on the public API alone, as any user could.
export type { ImportProgress, Source, SourceOptions } from './bytes.ts';
export { type ExportJsonlOptions, exportJsonl } from './export-jsonl.ts';
export { type FvecsOptions, importFvecs } from './fvecs.ts';
export { importJsonl, type JsonlOptions } from './jsonl.ts';
export { importNpy, type NpyOptions } from './npy.ts';
