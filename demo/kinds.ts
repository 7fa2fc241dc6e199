// The files that the page takes. PDF and Word are read by packages that are fetched with the first such file.
import type { Extractor } from 'piramid/rag';

const ENDINGS = 'txt text log md markdown html htm xhtml xht xml rst csv tsv json jsonl ndjson ipynb pdf docx'.split(
  ' ',
);

/** For file choosers. */
export const ACCEPTED = ENDINGS.map((ending) => `.${ending}`).join(',');

/** Whether a file of a folder is taken; single files are tried, whatever they are. */
export function isTaken(path: string): boolean {
  return ENDINGS.includes(/\.([^./\\]+)$/.exec(path)?.[1]?.toLowerCase() ?? '');
}

export const extractors: { [ending: string]: Extractor } = {
  pdf: async (bytes, name) => (await import('piramid/extract-pdf')).pdf(bytes, name),
  docx: async (bytes, name) => (await import('piramid/extract-docx')).docx(bytes, name),
};
