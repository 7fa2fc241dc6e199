// HTML to readable text, in one pass and without a DOM: it also runs in workers and in Node. Tolerant as browsers are:
// what is not closed ends with the document, what is no tag is text. Not a sanitizer; its result is text, not HTML.

/** Elements that are not read; their whole content is dropped. */
const DROPPED = new Set([
  'script',
  'style',
  'noscript',
  'template',
  'svg',
  'iframe',
  'object',
  'canvas',
  'select',
  'textarea',
  'nav',
]);
/** Elements that begin and end a line (true: a paragraph). */
const BLOCKS = new Map<string, boolean>([
  ...'address article aside blockquote body div dl fieldset figure footer form h1 h2 h3 h4 h5 h6 header hr main ol p pre section table ul'
    .split(' ')
    .map((name) => [name, true] as const),
  ...'br caption dd dt figcaption legend li option summary details tbody thead tfoot tr'
    .split(' ')
    .map((name) => [name, false] as const),
]);

/** The text of an HTML document, paragraphs parted by blank lines, and its title ('' where it has none). */
export function htmlToText(html: string): { title: string; text: string } {
  const scan = new Scan(html);
  const out: string[] = [];
  /** Where the document's <title>, or else its first <h1>, begins in `out`. */
  let title = '';
  let headline: number | undefined;
  let h1 = '';
  let preformatted = 0;
  for (let tag = scan.next(); ; tag = scan.next()) {
    let text = decodeEntities(tag.before);
    if (preformatted > 0) text = text.replaceAll('\r\n', '\n');
    else {
      text = text.replace(/[ \t\r\n\f]+/g, ' ');
      if (text.startsWith(' ') && (out.at(-1) ?? '\n').endsWith('\n')) text = text.slice(1);
    }
    if (text !== '') out.push(text);
    if (tag.name === '') break;
    if (!tag.isClosing && tag.name === 'title') {
      const inside = decodeEntities(scan.skipTo('title'));
      title ||= inside.replace(/\s+/g, ' ').trim();
    } else if (!tag.isClosing && DROPPED.has(tag.name)) scan.skipTo(tag.name);
    else if (tag.name === 'td' || tag.name === 'th') out.push('\t');
    else if (BLOCKS.has(tag.name)) {
      if (tag.name === 'pre') preformatted = Math.max(0, preformatted + (tag.isClosing ? -1 : 1));
      if (tag.name === 'h1' && tag.isClosing && headline !== undefined)
        h1 ||= out.slice(headline).join('').replace(/\s+/g, ' ').trim();
      out.push(BLOCKS.get(tag.name) ? '\n\n' : '\n');
      if (tag.name === 'h1' && !tag.isClosing) headline ??= out.length;
    }
  }
  // Line by line, because a pattern for "space before a line break" takes quadratic time on a long run of spaces.
  const lines = out.join('').split('\n');
  const text = lines
    .map((line) => line.trimEnd())
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim();
  return { title: title || h1, text: text === '' ? '' : `${text}\n` };
}

interface Tag {
  /** The text before it. */
  before: string;
  /** Lowercase; '' at the end of the document. */
  name: string;
  isClosing: boolean;
}

/** Finds tags from left to right, each character looked at a bounded number of times. */
class Scan {
  readonly #html: string;
  #at = 0;

  constructor(html: string) {
    this.#html = html;
  }

  next(): Tag {
    const html = this.#html;
    let before = '';
    for (;;) {
      const open = html.indexOf('<', this.#at);
      if (open === -1) {
        before += html.slice(this.#at);
        this.#at = html.length;
        return { before, name: '', isClosing: false };
      }
      before += html.slice(this.#at, open);
      if (html.startsWith('<!--', open)) this.#skipPast('-->', open + 4);
      else if (html[open + 1] === '!' || html[open + 1] === '?') this.#skipPast('>', open + 2);
      else {
        const isClosing = html[open + 1] === '/';
        const nameStart = open + (isClosing ? 2 : 1);
        if (/[a-z]/i.test(html.charAt(nameStart))) {
          let nameEnd = nameStart;
          while (nameEnd < html.length && !/[\s/>]/.test(html[nameEnd]!)) nameEnd++;
          this.#skipAttributes(nameEnd);
          return { before, name: html.slice(nameStart, nameEnd).toLowerCase(), isClosing };
        }
        before += '<'; // "a < b"
        this.#at = open + 1;
      }
    }
  }

  /** Goes behind the next closing tag of that name, or to the end; returns what is before it. */
  skipTo(name: string): string {
    const start = this.#at;
    const closing = new RegExp(`</${name}(?=[\\s/>])`, 'gi');
    closing.lastIndex = start;
    const match = closing.exec(this.#html);
    if (!match) {
      this.#at = this.#html.length;
      return this.#html.slice(start);
    }
    this.#skipPast('>', match.index);
    return this.#html.slice(start, match.index);
  }

  #skipPast(mark: string, from: number): void {
    const found = this.#html.indexOf(mark, from);
    this.#at = found === -1 ? this.#html.length : found + mark.length;
  }

  /** To behind the tag's `>`; those in quoted values are none. */
  #skipAttributes(from: number): void {
    const html = this.#html;
    let at = from;
    let last = '';
    while (at < html.length && html[at] !== '>') {
      const character = html[at]!;
      // A quote opens a value only behind `=`; a stray one is a character like any other.
      if (last === '=' && (character === '"' || character === "'")) {
        const close = html.indexOf(character, at + 1);
        at = close === -1 ? html.length : close;
      }
      if (character.trim() !== '') last = character;
      at++;
    }
    this.#at = Math.min(at + 1, html.length);
  }
}

/** The names that documents use most; others stay as they are. */
const ENTITIES: { readonly [name: string]: string } = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: '\u00a0',
  shy: '\u00ad',
  copy: '©',
  reg: '®',
  trade: '™',
  hellip: '…',
  mdash: '—',
  ndash: '–',
  lsquo: '‘',
  rsquo: '’',
  sbquo: '‚',
  ldquo: '“',
  rdquo: '”',
  bdquo: '„',
  laquo: '«',
  raquo: '»',
  bull: '•',
  middot: '·',
  deg: '°',
  euro: '€',
  pound: '£',
  yen: '¥',
  cent: '¢',
  sect: '§',
  para: '¶',
  times: '×',
  divide: '÷',
  plusmn: '±',
  minus: '−',
  frac12: '½',
  frac14: '¼',
  micro: 'µ',
  larr: '←',
  rarr: '→',
  uarr: '↑',
  darr: '↓',
  auml: 'ä',
  ouml: 'ö',
  uuml: 'ü',
  Auml: 'Ä',
  Ouml: 'Ö',
  Uuml: 'Ü',
  szlig: 'ß',
  eacute: 'é',
  egrave: 'è',
  ecirc: 'ê',
  agrave: 'à',
  aacute: 'á',
  acirc: 'â',
  ccedil: 'ç',
  ntilde: 'ñ',
  oacute: 'ó',
  ocirc: 'ô',
  uacute: 'ú',
  iacute: 'í',
  aring: 'å',
  oslash: 'ø',
  aelig: 'æ',
  oelig: 'œ',
  ensp: ' ',
  emsp: ' ',
  thinsp: ' ',
};

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|([a-z]\w{1,7}));?/gi, (entity, decimal, hexadecimal, name) => {
    if (name !== undefined) return Object.hasOwn(ENTITIES, name) ? ENTITIES[name]! : entity;
    const code = decimal === undefined ? Number.parseInt(hexadecimal, 16) : Number.parseInt(decimal, 10);
    const isCharacter = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
    return isCharacter ? String.fromCodePoint(code) : '\ufffd';
  });
}
