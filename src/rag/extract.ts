// Files to text with a title. The readers of the kinds are loaded with the first file.
import type { TextFormat } from './chunk.ts';
import { checkOptions } from './documents.ts';

/** A file, or the name and text of one. */
export type FileInput = File | { readonly name: string; readonly text: string };

export interface ExtractedText {
  /** The document's own title, else the file's name without its ending. */
  title: string;
  text: string;
  /** Its format, see `ChunkOptions.format`. */
  format: TextFormat;
}

/** Result of an extractor. */
export interface Extraction {
  /** @default that of the Markdown or HTML, else the file's name without its ending */
  title?: string;
  text: string;
  /** `'html'`: the text is the source of a page and is parsed as one. @default 'text' */
  format?: TextFormat | 'html';
}

/** Reads files of one kind. If it throws, the message is the reason why the file cannot be read. */
export type Extractor = (bytes: Uint8Array, name: string) => Extraction | Promise<Extraction>;

export interface ExtractOptions {
  /**
   * The encoding of the files, e.g. `'shift_jis'`. @default that of the byte order mark, `File.type` or the document;
   * else UTF-8 or windows-1252
   */
  charset?: string;
  /** Readers of further kinds, by file ending: `{ pdf, docx }`. They also replace built-in readers. */
  extractors?: { readonly [ending: string]: Extractor };
}

/**
 * The text of a file: .txt .log .md .html .xhtml .xml .rst .csv .tsv .json .jsonl .ipynb, and files without an ending;
 * others by `extractors`. Throws `UNSUPPORTED` for an unknown kind, `INVALID_ARGUMENT` for a file that is not what it
 * seems.
 */
export async function extract(file: FileInput, options: ExtractOptions = {}): Promise<ExtractedText> {
  checkOptions(options, ['charset', 'extractors'], 'extract');
  return (await import('./files/extract-file.ts')).extractFile(file, options);
}
