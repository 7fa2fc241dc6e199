// Generated pages. The generator knows of each of its words, which is unique, whether it is to be found and under which
// heading: it follows the HTML standard by construction, and asks no parser.
import { outlineOf } from '../../src/rag/markdown.ts';
import { type SeededRandom, seededRandom } from '../../src/structures/random.ts';

export interface Page {
  source: string;
  syntax: 'html' | 'xml';
  words: {
    word: string;
    isFound: boolean /** The first word of its heading; '' above all headings. */;
    heading: string;
  }[];
}

/** The elements that docs/DOCUMENTS.md says are not read. */
export function droppedElements(documentation: string): string[] {
  const table = documentation.split('| not read | why |')[1]!.split('\n\n')[0]!;
  const cells = table.split('\n').map((row) => row.split('|')[1] ?? '');
  const names = cells.flatMap((cell) => Array.from(cell.matchAll(/`([a-z-]+)`/g), ([, name]) => name!));
  return names.filter((name) => !name.startsWith('annotation'));
}

/** What is wrong with the text that was read of a page; empty if nothing is. */
export async function mistakes({ words }: Page, text: string): Promise<string[]> {
  const { headings } = await outlineOf(text);
  const found: string[] = [];
  let at = 0; // headings that begin before the word
  for (const { word, isFound, heading } of words) {
    const base = nameOf(word);
    const first = text.indexOf(base);
    if (!isFound || first === -1) {
      if (isFound !== (first !== -1)) found.push(`${word} ${isFound ? 'is missing' : 'is there'}`);
      continue;
    }
    if (text.indexOf(base, first + 1) !== -1) found.push(`${word} is there twice`);
    if (
      !text
        .slice(first, first + 99)
        .replace(/\\(?=[<&])/g, '')
        .startsWith(word)
    )
      found.push(`${word} is written otherwise`);
    while (at > 0 && headings[at - 1]!.start > first) at--;
    while (at < headings.length && headings[at]!.start <= first) at++;
    const above = nameOf(headings[at - 1]?.text ?? '');
    if (above !== nameOf(heading)) found.push(`${word} is under "${above}" and not under "${nameOf(heading)}"`);
  }
  return found;
}

function nameOf(text: string): string {
  return /q\d+n\d+z/.exec(text)?.[0] ?? '';
}

/** Elements whose content is no markup, by the standard. */
const RAW = new Set(['script', 'style', 'iframe', 'noframes', 'noembed']);
const RCDATA = new Set(['title', 'textarea']);
const CONTAINERS =
  'div section article aside header footer main blockquote details fieldset figure form center address hgroup dialog'.split(
    ' ',
  );
const INLINE = 'b i em strong span a u code small mark label x-note font q'.split(' ');

/** Characters as they can be written, and what they mean. */
const WRITTEN_IN_XML: readonly (readonly [string, string])[] = [
  ['&#233;', 'é'],
  ['&#x3b1;', 'α'],
  ['<![CDATA[<&]]>', '<&'],
];
const WRITTEN: readonly (readonly [string, string])[] = [
  ['&eacute;', 'é'],
  ['&eacute', 'é'],
  ['&#233', 'é'],
  ['&#x3b1;', 'α'],
  ['&copy2024', '©2024'],
  ['&CounterClockwiseContourIntegral;', '∳'],
  ['&nope;', '&nope;'],
  ['< ', '<'],
];

export function page(seed: number, dropped: readonly string[]): Page {
  return new Generator(seed, dropped).page();
}

class Generator {
  readonly #random: SeededRandom;
  readonly #dropped: readonly string[];
  readonly #isXml: boolean;
  readonly #words: Page['words'] = [];
  readonly #seed: number;
  #heading = '';
  #isDropped = false;
  #budget: number;

  constructor(seed: number, dropped: readonly string[]) {
    this.#random = seededRandom(seed);
    this.#seed = seed;
    this.#dropped = dropped;
    this.#isXml = seed % 5 === 0;
    this.#budget = 10 + this.#int(60);
  }

  page(): Page {
    const words = this.#words;
    if (this.#isXml) {
      const start = this.#pick(['', '<?xml version="1.0" encoding="utf-8"?>\n', '<!DOCTYPE html>']);
      const title = this.#pick(['<title/>', `<title>${this.#notFound()}</title>`]);
      const head = `<head>${title}${this.#pick(['<script src="a.js"/>', ''])}</head>`;
      const source = `${start}<html xmlns="http://www.w3.org/1999/xhtml">${head}<body>${this.#flow(0)}</body></html>`;
      return { syntax: 'xml', words, source };
    }
    const head = this.#pick([
      '',
      `<title>${this.#notFound()}</title>`,
      `<head><meta charset=utf-8><style>${this.#notFound()}</style></head>`,
      `<HTML lang=en><head><script>if (a<b) "</p>${this.#notFound()}"</script><body class='x>y'>`,
    ]);
    const start = this.#pick(['', '<!doctype html>', '<!DOCTYPE HTML PUBLIC "x">']);
    // Begins with a word, so that the body is open.
    const body = `${this.#found()} ${this.#flow(0)}`;
    const tail = this.#pick([
      () => '',
      () => '</body></html>',
      () => `</body>${this.#found()}</html>${this.#found()}`,
      () => `<plaintext>${this.#found()}<b>${this.#found()}`,
    ])();
    return { syntax: 'html', words, source: start + head + body + tail };
  }

  #int(below: number): number {
    return this.#random.below(below);
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#int(list.length)]!;
  }

  #word(isFound: boolean): string {
    const word = `q${this.#seed}n${this.#words.length}z`;
    this.#words.push({ word, isFound: isFound && !this.#isDropped, heading: this.#heading });
    return word;
  }

  #found(): string {
    return this.#word(true);
  }

  #notFound(): string {
    return this.#word(false);
  }

  /** A word that is to be found, written in one way or another. */
  #text(): string {
    const at = this.#words.length;
    const word = this.#found();
    if (this.#int(5) > 0) return word;
    const [written, meant] = this.#pick(this.#isXml ? WRITTEN_IN_XML : WRITTEN);
    this.#words[at]!.word = word + meant;
    return word + written;
  }

  #flow(depth: number): string {
    let html = '';
    for (let parts = 1 + this.#int(5); parts > 0 && this.#budget > 0; parts--)
      html += this.#part(depth) + this.#pick(['', '\n', ' ', '\r\n\t']);
    return html;
  }

  #part(depth: number): string {
    this.#budget--;
    const kinds = [
      () => this.#element('p', this.#inline(0), true),
      () => this.#inline(0),
      () => this.#headingPart(),
      () => this.#headingPart(),
      () => this.#noise(),
      () => this.#droppedPart(depth),
    ];
    if (depth < 6) {
      kinds.push(
        () => this.#container(this.#pick(CONTAINERS), () => this.#flow(depth + 1)),
        () => this.#list(depth),
        () => this.#table(depth),
        () => this.#element('pre', this.#pick(['', '\n', '# ', '```\n']) + this.#inline(1)),
      );
    }
    return this.#pick(kinds)();
  }

  #headingPart(): string {
    const before = this.#heading;
    const name = `h${1 + this.#int(6)}`;
    if (this.#isDropped) return this.#element(name, this.#text());
    // Its words are under itself.
    const at = this.#words.length;
    this.#heading = '?';
    const inside = this.#pick(['', ' ', '\n']) + this.#text() + (this.#int(2) ? this.#inline(1) : '');
    const first = this.#words[at]!.word;
    for (const word of this.#words.slice(at)) word.heading = first;
    this.#heading = first || before;
    // The standard: any heading's end tag closes a heading.
    if (!this.#isXml && this.#int(8) === 0) return `<${name}>${inside}</h${1 + this.#int(6)}>`;
    return this.#element(name, inside);
  }

  #droppedPart(depth: number): string {
    const name = this.#pick(this.#dropped);
    if (!this.#isXml && name === 'embed') return `<embed src="${this.#notFound()}">`;
    if (this.#int(5) === 0 && (this.#isXml || name === 'svg'))
      return `<${name} class="${this.#notFound()}"${this.#xmlns(name)}/>${this.#text()}`;
    const before = this.#isDropped;
    this.#isDropped = true;
    let inside: string;
    if (this.#isXml || !(RAW.has(name) || RCDATA.has(name))) {
      inside =
        name === 'svg'
          ? `<title>${this.#found()}</title><text>${this.#found()}</text><foreignObject>${this.#svgInside()}</foreignObject>`
          : name === 'select' || name === 'datalist'
            ? `<option>${this.#found()}</option><option value="${this.#found()}">${this.#found()}</option>`
            : name === 'nav' || name === 'noscript' || name === 'template'
              ? `${this.#flow(Math.max(depth + 1, 4))}<nav>${this.#found()}</nav>${this.#found()}`
              : this.#inline(1);
      if (this.#isXml && (name === 'script' || name === 'style')) inside = this.#found();
    } else if (RCDATA.has(name)) inside = `${this.#found()}<b>&amp;${this.#found()}<!-- </${name}x>`;
    else inside = `${this.#found()} if (a<b) "</p>" <div>${this.#found()}</x-${name}>`;
    this.#isDropped = before;
    const attributes = name === 'svg' ? '' : this.#attributes(); // a slash would close it
    return `<${this.#case(name)}${attributes}${this.#xmlns(name)}>${inside}</${this.#case(name)}>`;
  }

  #svgInside(): string {
    return this.#isXml ? this.#found() : `<p>${this.#found()}<div>${this.#found()}</div>`;
  }

  #xmlns(name: string): string {
    return this.#isXml && name === 'svg' ? ' xmlns="http://www.w3.org/2000/svg"' : '';
  }

  #list(depth: number): string {
    if (this.#int(5) === 0) {
      const term = this.#element('dt', this.#text(), true);
      return this.#element('dl', term + this.#element('dd', this.#flow(depth + 2), true));
    }
    const items = Array.from({ length: 1 + this.#int(3) }, () => {
      const inside = this.#int(3) ? this.#inline(0) : this.#flow(depth + 2);
      return this.#element('li', inside, true);
    });
    return this.#element(this.#pick(['ul', 'ol']), items.join(''));
  }

  #table(depth: number): string {
    // In HTML, text that is no part of a cell goes before the table.
    const stray = !this.#isXml && this.#int(4) === 0 ? this.#text() : '';
    const caption = this.#int(3) === 0 ? this.#element('caption', this.#inline(1)) : '';
    const columns = 1 + this.#int(3);
    const hasHeader = this.#int(2) === 0;
    const rows = Array.from({ length: 1 + this.#int(3) }, (_, row) => {
      const cells = Array.from({ length: columns }, () => {
        if (row === 0 && hasHeader) return this.#element('th', this.#inline(1), true);
        return this.#element('td', this.#int(4) ? this.#inline(0) : this.#flow(depth + 2), true);
      });
      return this.#element('tr', cells.join(''), true);
    });
    return `<table${this.#attributes()}>${stray}${caption}${rows.join('')}</table>`;
  }

  /** What is no text: comments of every shape, declarations, end tags without a beginning. */
  #noise(): string {
    const word = () => this.#notFound();
    if (this.#isXml)
      return this.#pick([() => `<!-- ${word()} <p> -->`, () => `<?php ${word()} ?>`, () => `<img alt="${word()}"/>`])();
    return this.#pick([
      () => `<!-- ${word()} <p> -->`,
      () => `<!-->${this.#text()}`,
      () => `<!--->${this.#text()}`,
      () => `<!-- ${word()} --!>${this.#text()}`,
      () => `<!-- ${word()} -- > ${word()} --->`,
      () => `<![CDATA[ ${word()} ]]>${this.#text()}`,
      () => `<!${word()}>`,
      () => `<?${word()} ?>`,
      () => `</ ${word()}>`,
      () => '</x-unknown>',
      () => '</br>',
      () => `<img alt="${word()} > ${word()}" src=x>`,
      () => `<input value=${word()}>`,
      () =>
        `<math><mi>${this.#text()}</mi><annotation>${word()}</annotation><mrow><![CDATA[${this.#found()}]]></mrow></math>`,
    ])();
  }

  #inline(depth: number): string {
    let html = '';
    for (let parts = 1 + this.#int(3); parts > 0; parts--) {
      const name = this.#pick(INLINE);
      html += this.#pick([
        () => this.#text(),
        () => this.#text(),
        () => (this.#isXml ? `<br/>${this.#text()}` : `<br>${this.#text()}`),
        () => (depth > 2 || name === 'a' ? this.#text() : this.#element(name, this.#inline(depth + 1))),
        // Formatting that is closed in the wrong order.
        () => (this.#isXml ? this.#text() : `<b>${this.#text()} <i>${this.#text()}</b> ${this.#text()}</i>`),
      ])();
      html += this.#pick([' ', '\n', '\t ']);
    }
    return html;
  }

  #container(name: string, inside: () => string): string {
    const legend = name === 'details' ? this.#element('summary', this.#text()) : '';
    return this.#element(name, legend + inside());
  }

  /** `mayStayOpen`: the standard closes it by itself. */
  #element(name: string, inside: string, mayStayOpen = false): string {
    if (this.#isXml && inside === '') return `<${name}/>`;
    const open = `<${this.#case(name)}${this.#attributes()}>`;
    if (mayStayOpen && !this.#isXml && this.#int(4) === 0 && name !== 'p') return open + inside;
    return `${open}${inside}</${this.#case(name)}${this.#isXml ? '' : this.#pick(['', ' ', ' x=">"'])}>`;
  }

  #case(name: string): string {
    return !this.#isXml && this.#int(6) === 0 ? name.toUpperCase() : name;
  }

  #attributes(): string {
    if (this.#int(3) > 0) return '';
    if (this.#isXml) return ` title="${this.#notFound()} &gt; &lt;"`;
    return this.#pick([
      () => ` title="${this.#notFound()} > <p>"`,
      () => ` data-x='${this.#notFound()}"<'`,
      () => ` x=${this.#notFound()}"y/`,
      () => ' hidden',
      () => ` a="1"b='${this.#notFound()}' a=2`,
      () => ` /`,
    ])();
  }
}
