// `piramid/extract-pdf`: the text of PDF files by PDF.js, which the page installs beside: `npm install pdfjs-dist`.

import type { Extraction, Extractor } from 'piramid/rag';
import { PiramidError } from '../errors.ts';
import { withinDeadline } from './deadline.ts';

type PdfJs = typeof import('pdfjs-dist/legacy/build/pdf.mjs');
type Document = Awaited<ReturnType<PdfJs['getDocument']>['promise']>;

export interface PdfOptions {
  /** Opens files that ask for one. */
  password?: string;
  /** Where PDF.js finds the character maps of Chinese, Japanese and Korean fonts: the URL of `pdfjs-dist/cmaps/`. */
  cMapUrl?: string;
  /** Where it finds the fonts that files need not hold: the URL of `pdfjs-dist/standard_fonts/`. */
  standardFontDataUrl?: string;
}

/** Larger files are refused. Bytes. */
const BYTES_MAX = 256 << 20;
/** Lines that are further apart than so many times their height are of two paragraphs. */
const PARAGRAPH_GAP = 1.7;

/**
 * Reads PDF files: `ingest(collection, files, { extractors: { pdf } })`. Scanned pages have no text; such a file is
 * refused. Throws `TIMEOUT` after 20 s and 20 s more per million bytes. PDF.js runs on this thread, or in a worker where
 * `GlobalWorkerOptions.workerSrc` of `pdfjs-dist` says where its script is; that worker is ended then. One that you give
 * it (`workerPort`) is yours to end.
 */
export const pdf: Extractor = (bytes, name) => read(bytes, name, {});

/** The same with options. */
export function pdfWith(options: PdfOptions): Extractor {
  return (bytes, name) => read(bytes, name, options);
}

async function read(bytes: Uint8Array, name: string, options: PdfOptions): Promise<Extraction> {
  if (bytes.length > BYTES_MAX)
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `"${name}" has ${bytes.length} bytes; PDF files of at most ${BYTES_MAX} can be read`,
    );
  const library = await import('pdfjs-dist/legacy/build/pdf.mjs');
  const worker = await workerOf(library);
  // A copy: PDF.js takes the bytes over.
  const task = library.getDocument({
    data: bytes.slice(),
    verbosity: 0,
    isEvalSupported: false,
    ...options,
    ...(worker && { worker }),
  });
  let isLate = false;
  try {
    return await withinDeadline(
      task.promise.then((document) => contentOf(document, name)),
      name,
      bytes.length,
    );
  } catch (error) {
    isLate = error instanceof PiramidError && error.code === 'TIMEOUT';
    if ((error as Error).name !== 'PasswordException') throw error;
    throw new PiramidError('UNSUPPORTED', `"${name}" is encrypted: pass pdfWith({ password }) as its extractor`, {
      cause: error,
    });
  } finally {
    // It waits for the worker's word, and one that does not come to an end says none.
    const ended = task.destroy().catch(() => {});
    if (!isLate) await ended;
    worker?.destroy();
  }
}

async function contentOf(document: Document, name: string): Promise<Extraction> {
  const pages: string[] = [];
  for (let number = 1; number <= document.numPages; number++) {
    const page = await document.getPage(number);
    pages.push(textOf((await page.getTextContent()).items as Item[]));
    page.cleanup();
  }
  const text = pages.filter((page) => page !== '').join('\n');
  if (text === '') {
    throw new PiramidError(
      'UNSUPPORTED',
      `"${name}" holds no text; its pages are pictures, which a text recogniser could read`,
    );
  }
  return { title: await titleOf(document), text };
}

interface Item {
  str?: string;
  hasEOL?: boolean;
  height: number;
  /** The last two numbers are where it begins, from the left and from below. */
  transform: number[];
}

/** A page's lines, with empty ones between paragraphs. */
function textOf(items: readonly Item[]): string {
  let text = '';
  let line = '';
  let below: number | undefined;
  for (const { str = '', hasEOL, height, transform } of items) {
    if (line === '' && str.trim() !== '' && transform) {
      const [bottom] = transform.slice(5) as [number];
      if (below !== undefined && Math.abs(below - bottom) > PARAGRAPH_GAP * height) text += '\n';
      below = bottom;
    }
    line += str;
    if (!hasEOL) continue;
    if (line.trim() !== '') text += `${line.trim()}\n`;
    line = '';
  }
  return line.trim() === '' ? text : `${text}${line.trim()}\n`;
}

async function titleOf(document: { getMetadata(): Promise<{ info: object }> }): Promise<string> {
  const { info } = await document.getMetadata();
  const title = (info as { Title?: unknown }).Title;
  return typeof title === 'string' ? title.trim() : '';
}

/**
 * A worker of PDF.js: one of its own where the page has said where its script is (`workerSrc`), else on this thread, because PDF.js would
 * look for a worker by name. Undefined where the page has given it one.
 */
async function workerOf({
  GlobalWorkerOptions,
  PDFWorker,
}: PdfJs): Promise<InstanceType<PdfJs['PDFWorker']> | undefined> {
  const isNode = typeof window === 'undefined' && typeof process !== 'undefined';
  if (GlobalWorkerOptions.workerPort) return undefined;
  if (GlobalWorkerOptions.workerSrc && !isNode) return new PDFWorker();
  const scope = globalThis as { pdfjsWorker?: unknown };
  const before = scope.pdfjsWorker;
  const worker = await import('pdfjs-dist/legacy/build/pdf.worker.mjs');
  scope.pdfjsWorker = worker;
  const own = new PDFWorker();
  // Another PDF.js of the page keeps its own way.
  scope.pdfjsWorker = before;
  return own;
}
