// `piramid/extract-docx`: the text of Word files by Mammoth, which the page installs beside: `npm install mammoth`. It makes
// HTML of them, which is read like any page: headings, lists and tables stay what they are.

import type { Extractor } from 'piramid/rag';
import { PiramidError } from '../errors.ts';
import { withinDeadline } from './deadline.ts';
import { unpackedBytes } from './zip.ts';

/** Files that unpack to more are refused, and whose XML, which Mammoth parses in one go, does. Bytes. */
const BYTES_MAX = 256 << 20;
const XML_BYTES_MAX = 16 << 20;

/**
 * Reads .docx files: `ingest(collection, files, { extractors: { docx } })`. Throws `INVALID_ARGUMENT` for a file that
 * unpacks to more than 256 MiB, or to more than 16 MiB of XML; `TIMEOUT` after 20 s and 20 s more per million bytes.
 */
export const docx: Extractor = async (bytes, name) => {
  const unpacked = unpackedBytes(bytes);
  if (unpacked === undefined)
    throw new PiramidError('INVALID_ARGUMENT', `"${name}" is no .docx file: it is not a zip archive`);
  const { all, xml } = unpacked;
  if (all > BYTES_MAX)
    throw new PiramidError('INVALID_ARGUMENT', `"${name}" unpacks to ${all} bytes; at most ${BYTES_MAX} are read`);
  if (xml > XML_BYTES_MAX)
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `"${name}" unpacks to ${xml} bytes of XML; at most ${XML_BYTES_MAX} are read; save it in parts`,
    );
  const { default: mammoth } = await import('mammoth');
  const arrayBuffer = bytes.slice().buffer;
  // Node's build takes `buffer`, that for browsers `arrayBuffer`.
  const input = { arrayBuffer, buffer: arrayBuffer as unknown as Buffer };
  const convertImage = mammoth.images.imgElement(async () => ({ src: '' }));
  const { value } = await withinDeadline(mammoth.convertToHtml(input, { convertImage }), name, bytes.length);
  return { text: value, format: 'html' };
};
