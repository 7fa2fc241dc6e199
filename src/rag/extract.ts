// Files to text with a title: plain text and Markdown as they are, HTML without its tags. What cannot be read as text is
// refused, so that no garbage is indexed.
import { PiramidError } from 'piramid';
import { htmlToText } from './html.ts';

/** A file, or one that has been read. */
export type FileInput = File | { readonly name: string; readonly text: string };

export interface ExtractedText {
  /** The document's own title, else the file's name without its ending. */
  title: string;
  text: string;
  /** How to cut it, see `ChunkOptions.format`. */
  format: 'text' | 'markdown';
}

const KINDS: { readonly [ending: string]: 'text' | 'markdown' | 'html' } = {
  txt: 'text',
  text: 'text',
  md: 'markdown',
  markdown: 'markdown',
  html: 'html',
  htm: 'html',
  xhtml: 'html',
};

/** The text of a .txt, .md or .html file. Throws `UNSUPPORTED` for others, `INVALID_ARGUMENT` where it is not text. */
export async function extract(file: FileInput): Promise<ExtractedText> {
  const name = file.name.split(/[\\/]/).at(-1)!;
  const ending = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  const kind = Object.hasOwn(KINDS, ending) ? KINDS[ending]! : undefined;
  if (!kind) {
    throw new PiramidError(
      'UNSUPPORTED',
      `"${file.name}": cannot read .${ending} files; those that can be read end in .${Object.keys(KINDS).join(', .')}`,
    );
  }
  const raw = typeof file.text === 'string' ? file.text : await readText(file as File);
  const source = raw.replace(/^\ufeff/, '').toWellFormed();
  if (source.includes('\0')) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `"${file.name}" holds bytes that are not text; expected UTF-8 or UTF-16`,
    );
  }
  const fallback = name.replace(/\.[^.]+$/, '');
  if (kind === 'html') {
    const { title, text } = htmlToText(source);
    return { title: title || fallback, text, format: 'text' };
  }
  const heading = kind === 'markdown' ? /^ {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$/m.exec(source)?.[1] : undefined;
  return { title: heading ?? fallback, text: source, format: kind };
}

async function readText(file: File): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    // Old text files are in the Windows code page more often than in any other; every byte means something in it.
    return new TextDecoder('windows-1252').decode(bytes);
  }
}
