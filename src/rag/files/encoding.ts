// Bytes to text. In this order: the byte order mark, what the caller or the server says, what the document declares,
// UTF-8 if nearly all of it is valid, and windows-1252, in which every byte means something.
import { PiramidError } from '../../errors.ts';

export interface EncodingHints {
  /** What the caller says. */
  charset?: string | undefined;
  /** The type that the server gave the file: `text/html; charset=...`. */
  type?: string | undefined;
  /** Whether it may declare its encoding: in a `<meta>` or an XML declaration. */
  isMarkup?: boolean;
}

/** Bytes that are searched for a declaration, and for signs of UTF-16. The standard asks for 1024 at least. */
const HEAD = 4096;
/** Zeros in one half of UTF-16 for one in the other. */
const ZEROS_RATIO = 4;

/** The text that the bytes mean, without a byte order mark. */
export function decode(bytes: Uint8Array, hints: EncodingHints = {}): string {
  const given = hints.charset === undefined ? undefined : known(hints.charset);
  if (given === null) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `charset: expected the name of an encoding, got ${JSON.stringify(hints.charset)}`,
    );
  }
  const named =
    byteOrderMark(bytes) ?? given ?? known(/charset\s*=\s*"?([^\s";]+)/i.exec(hints.type ?? '')?.[1]) ?? undefined;
  // A name without a byte order is settled by the bytes.
  if (named && !(named === 'utf-16le' && utf16(bytes) === 'utf-16be')) return decoded(bytes, named);
  const found = utf16(bytes) ?? (hints.isMarkup ? declared(latin1(bytes.subarray(0, HEAD))) : undefined);
  if (found) return decoded(bytes, found);
  const text = decoded(bytes, 'utf-8');
  return isNearlyValid(text) ? text : decoded(bytes, 'windows-1252');
}

function decoded(bytes: Uint8Array, encoding: string): string {
  const decoder = new TextDecoder(encoding);
  // In two calls: in one, Node takes windows-1252 for ISO-8859-1.
  return decoder.decode(bytes, { stream: true }) + decoder.decode();
}

/** The first bytes as characters. */
export function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

function byteOrderMark(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf) return 'utf-8';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined;
}

/** The encoding of a name; null where there is none. */
function known(label: string | undefined): string | null {
  try {
    return label === undefined ? null : new TextDecoder(label).encoding;
  } catch {
    return null;
  }
}

/** UTF-16 without a byte order mark: zeros, at every other place. Text in other encodings holds none. */
function utf16(bytes: Uint8Array): 'utf-16le' | 'utf-16be' | undefined {
  if (bytes.length % 2 !== 0) return undefined;
  const head = bytes.subarray(0, HEAD);
  const zeros = [0, 0];
  for (const [i, byte] of head.entries()) if (byte === 0) zeros[i % 2]!++;
  const [even, odd] = zeros as [number, number];
  const [fewer, more] = even < odd ? [even, odd] : [odd, even];
  // Single characters end in a zero too: U+4E00.
  if (more <= fewer * ZEROS_RATIO) return undefined;
  // Few zeros can also be damage in a text of one byte a character; then the rest of it is one.
  const isEvident = more > head.length / 5 || !isValid(bytes);
  return isEvident ? (even < odd ? 'utf-16le' : 'utf-16be') : undefined;
}

function isValid(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Whether what was read as UTF-8 holds at least as many characters beyond ASCII as replaced ones: other encodings hardly make one. */
function isNearlyValid(text: string): boolean {
  let characters = 0;
  let replaced = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === 0xfffd) replaced++;
    else if (unit > 0x7f) characters++;
  }
  return replaced <= characters;
}

/** The encoding that a document declares, as in the HTML standard ("prescan a byte stream"). */
function declared(head: string): string | undefined {
  const xml = /^\s*<\?xml\s[^>]*?encoding\s*=\s*["']\s*([\w.:-]+)/.exec(head)?.[1];
  const fromXml = settled(xml);
  if (fromXml) return fromXml;
  for (let at = head.indexOf('<'); at !== -1; at = head.indexOf('<', at)) {
    if (head.startsWith('<!--', at)) {
      const end = head.indexOf('-->', at + 2);
      if (end === -1) return undefined;
      at = end + 3;
    } else if (/^<[/]?[a-z]/i.test(head.slice(at, at + 3))) {
      const name = /^<\/?[^\s/>]*/.exec(head.slice(at, at + 100))![0];
      const { attributes, end } = attributesOf(head, at + name.length);
      const found = name.toLowerCase() === '<meta' ? settled(ofMeta(attributes)) : undefined;
      if (found) return found;
      at = end;
    } else if (/[!/?]/.test(head.charAt(at + 1))) {
      const end = head.indexOf('>', at);
      if (end === -1) return undefined;
      at = end + 1;
    } else at++;
  }
  return undefined;
}

function attributesOf(head: string, from: number): { attributes: Map<string, string>; end: number } {
  const attributes = new Map<string, string>();
  const attribute = /[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*)))?/y;
  attribute.lastIndex = from;
  let end = from;
  for (let match = attribute.exec(head); match; match = attribute.exec(head)) {
    const name = match[1]!.toLowerCase();
    if (!attributes.has(name)) attributes.set(name, match[2] ?? match[3] ?? match[4] ?? '');
    end = attribute.lastIndex;
  }
  return { attributes, end: Math.max(end, from) };
}

function ofMeta(attributes: Map<string, string>): string | undefined {
  const charset = attributes.get('charset');
  if (charset !== undefined) return charset;
  if (attributes.get('http-equiv')?.toLowerCase() !== 'content-type') return undefined;
  const content = /charset\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;"']+))/i.exec(attributes.get('content') ?? '');
  return content?.[1] ?? content?.[2] ?? content?.[3];
}

/** What a declared name means: one that could be read as ASCII is not UTF-16. */
function settled(label: string | undefined): string | undefined {
  const encoding = known(label?.trim());
  if (encoding?.startsWith('utf-16')) return 'utf-8';
  return encoding === 'x-user-defined' ? 'windows-1252' : (encoding ?? undefined);
}
