// `piramid/extract-docx`: the text of Word files by Mammoth, which the page installs beside: `npm install mammoth`. It makes
// HTML of them, which is read like any page: headings, lists and tables stay what they are.

import type { Extractor } from 'piramid/rag';
import { PiramidError } from '../errors.ts';
import { unpackedBytes } from './zip.ts';

/** Files that unpack to more are refused. Bytes. */
const BYTES_MAX = 256 << 20;

/** Reads .docx files: `ingest(collection, files, { extractors: { docx } })`. */
export const docx: Extractor = async (bytes, name) => {
  const unpacked = unpackedBytes(bytes);
  if (unpacked === undefined)
    throw new PiramidError('INVALID_ARGUMENT', `"${name}" is no .docx file: it is not a zip archive`);
  if (unpacked > BYTES_MAX)
    throw new PiramidError('INVALID_ARGUMENT', `"${name}" unpacks to ${unpacked} bytes; at most ${BYTES_MAX} are read`);
  const { default: mammoth } = await import('mammoth');
  const arrayBuffer = bytes.slice().buffer;
  // Node's build takes `buffer`, that for browsers `arrayBuffer`.
  const input = { arrayBuffer, buffer: arrayBuffer as unknown as Buffer };
  const convertImage = mammoth.images.imgElement(async () => ({ src: '' }));
  const { value } = await mammoth.convertToHtml(input, { convertImage });
  return { text: value, format: 'html' };
};
