// How large a zip archive says that it is unpacked, from its list of contents, so that a small file cannot fill the memory.

const LIST_END = 0x06054b50;
const LIST_ENTRY = 0x02014b50;
/** The list's end has so many bytes, and a comment behind it. */
const LIST_END_BYTES = 22;
const COMMENT_MAX = 0xffff;

/** XML is packed to less than this share; pictures are not. */
const XML_SHARE_MAX = 0.4;

/** Bytes of all files in it, and of those that may be XML, whatever they are called, unpacked; undefined where it is no zip archive. */
export function unpackedBytes(bytes: Uint8Array): { all: number; xml: number } | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - LIST_END_BYTES;
  const last = Math.max(0, end - COMMENT_MAX);
  while (end >= last && view.getUint32(end, true) !== LIST_END) end--;
  if (end < last) return undefined;
  const count = view.getUint16(end + 10, true);
  let at = view.getUint32(end + 16, true);
  const total = { all: 0, xml: 0 };
  const decoder = new TextDecoder();
  for (let i = 0; i < count; i++) {
    if (at + 46 > bytes.length || view.getUint32(at, true) !== LIST_ENTRY) return undefined;
    const unpacked = view.getUint32(at + 24, true);
    const nameBytes = view.getUint16(at + 28, true);
    total.all += unpacked;
    const isNamedXml = /\.(xml|rels)$/i.test(decoder.decode(bytes.subarray(at + 46, at + 46 + nameBytes)));
    if (isNamedXml || view.getUint32(at + 20, true) < XML_SHARE_MAX * unpacked) total.xml += unpacked;
    at += 46 + nameBytes + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return total;
}
