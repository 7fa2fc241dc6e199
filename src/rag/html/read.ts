// A parsed page as Markdown: its headings, paragraphs, lists, tables and code, in the words that stand in its DOM. Walks the
// tree without recursion, each node once. What is not read: docs/DOCUMENTS.md.
import { MarkdownWriter } from './markdown-writer.ts';
import { CDATA, ELEMENT, HTML_NAMESPACE, TEXT, type TreeNode } from './tree.ts';

/** Elements whose content is not read: code, controls, drawings, what stands in for media, and ways to other pages. */
const DROPPED = new Set(
  'audio canvas datalist embed iframe nav noembed noframes noscript object script select style svg template textarea title video'.split(
    ' ',
  ),
);
/** Formulas are read once, not again in the notations that come with them. */
const DROPPED_IN_MATH = new Set(['annotation', 'annotation-xml']);
const MATH_NAMESPACE = 'http://www.w3.org/1998/Math/MathML';
const SVG_NAMESPACE = 'http://www.w3.org/2000/svg';

/** Elements that begin and end a paragraph. */
const PARAGRAPHS = new Set(
  'address article aside blockquote body center dialog dir div dl fieldset figure footer form header hgroup hr main menu ol p search section table ul'.split(
    ' ',
  ),
);
/** Elements that begin and end a line. */
const LINES = new Set('caption dd details dt figcaption legend summary tbody tfoot thead tr'.split(' '));
const PREFORMATTED = new Set(['listing', 'plaintext', 'pre', 'xmp']);
const LISTS = new Set(['dir', 'menu', 'ol', 'ul']);
/** A cell that spans more columns is taken to span so many. */
const SPAN_MAX = 12;

/** The text of a page as Markdown, and its title ('' where it has none). */
export function readPage(root: TreeNode): { title: string; text: string } {
  const writer = new MarkdownWriter();
  const tables: TableKind[] = []; // of the open tables
  let lists = 0;
  walk(root, {
    enter(node, name) {
      if (isDropped(node, name)) return false;
      const level = headingLevel(name);
      if (level > 0) writer.openHeading(level);
      else if (PREFORMATTED.has(name)) writer.openCode();
      else if (name === 'br') writer.lineBreak();
      else if (name === 'li') writer.openItem();
      else if (name === 'td' || name === 'th') writer.openCell();
      else if (LISTS.has(name)) writer.break(lists++ > 0 ? 1 : 2);
      else if (PARAGRAPHS.has(name)) writer.break(2);
      else if (LINES.has(name)) writer.break(1);
      if (name === 'table') {
        tables.push(tableKind(node));
        writer.openTable(tables.at(-1) === 'table');
      } else if (name === 'tr' && (tables.at(-1) ?? 'layout') !== 'layout') writer.openRow();
      return true;
    },
    text: (data) => writer.text(data),
    leave(node, name) {
      if (headingLevel(name) > 0) writer.closeHeading();
      else if (PREFORMATTED.has(name)) writer.closeCode();
      else if (name === 'li') writer.closeItem();
      else if (name === 'td' || name === 'th') writer.closeCell(span(node));
      else if (name === 'tr') {
        writer.closeRow();
        writer.break(1);
      } else if (LISTS.has(name)) writer.break(--lists > 0 ? 1 : 2);
      else if (PARAGRAPHS.has(name)) writer.break(2);
      else if (LINES.has(name)) writer.break(1);
      if (name === 'table') tables.pop();
    },
  });
  return { title: documentTitle(root) || writer.headline, text: writer.end() };
}

export interface Visitor {
  /** Whether to go inside. `name` is '' for elements that are not of HTML. */
  enter(node: TreeNode, name: string): boolean;
  text(data: string): void;
  /** Of elements that were gone into. */
  leave(node: TreeNode, name: string): void;
}

/** Visits a tree in document order. */
export function walk(root: TreeNode, visitor: Visitor): void {
  let node = root;
  for (;;) {
    const isElement = node.nodeType === ELEMENT;
    const name = isElement ? htmlName(node) : '';
    let inside = node === root;
    if (isElement) inside = visitor.enter(node, name);
    else if (node.nodeType === TEXT || node.nodeType === CDATA) visitor.text(node.data!);
    if (inside && node.firstChild) {
      node = node.firstChild;
      continue;
    }
    if (inside && isElement) visitor.leave(node, name);
    while (node !== root && !node.nextSibling) {
      node = node.parentNode!;
      if (node.nodeType === ELEMENT) visitor.leave(node, htmlName(node));
    }
    if (node === root) return;
    node = node.nextSibling!;
  }
}

/** In documents that forget the namespace the names are meant all the same. */
function htmlName({ localName = '', namespaceURI }: TreeNode): string {
  return namespaceURI === HTML_NAMESPACE || namespaceURI === null ? localName : '';
}

function isDropped(node: TreeNode, name: string): boolean {
  if (name !== '') return DROPPED.has(name);
  if (node.namespaceURI === SVG_NAMESPACE) return true;
  return node.namespaceURI === MATH_NAMESPACE && DROPPED_IN_MATH.has(node.localName!);
}

function headingLevel(name: string): number {
  return name.length === 2 && name[0] === 'h' && name >= 'h1' && name <= 'h6' ? Number(name[1]) : 0;
}

function span(node: TreeNode): number {
  const columns = Number(node.getAttribute?.('colspan') ?? 1);
  return Number.isInteger(columns) && columns > 1 ? Math.min(columns, SPAN_MAX) : 1;
}

/** How a table is written: as one of Markdown, as a line a row, or as what its cells hold, one after the other. */
type TableKind = 'table' | 'rows' | 'layout';

/**
 * A table of Markdown needs a row of headers. Others are often there for the layout: their cells hold more than one block. No
 * row can hold headings, code or tables.
 */
function tableKind(table: TreeNode): TableKind {
  let rows = 0;
  let isHeader = false;
  let blocks = 0; // of the cell
  let blocksMax = 0;
  let isLayout = false;
  walk(table, {
    enter(node, name) {
      if (node === table) return true;
      if (isLayout || isDropped(node, name)) return false;
      if (name === 'table' || headingLevel(name) > 0 || PREFORMATTED.has(name)) isLayout = true;
      else if (name === 'tr' && ++rows === 1) isHeader = htmlName(node.parentNode!) === 'thead' || allHeaders(node);
      else if (name === 'td' || name === 'th') blocks = 0;
      else if (PARAGRAPHS.has(name) || name === 'li') blocksMax = Math.max(blocksMax, ++blocks);
      return !isLayout;
    },
    text: () => {},
    leave: () => {},
  });
  if (isLayout) return 'layout';
  if (isHeader) return 'table';
  return blocksMax > 1 ? 'layout' : 'rows';
}

function allHeaders(row: TreeNode): boolean {
  let headers = 0;
  for (let cell = row.firstChild; cell; cell = cell.nextSibling) {
    if (cell.nodeType !== ELEMENT) continue;
    if (htmlName(cell) === 'th') headers++;
    else if (htmlName(cell) === 'td') return false;
  }
  return headers > 0;
}

/** The content of the first `<title>` of HTML. */
function documentTitle(root: TreeNode): string {
  let title: string | undefined;
  let inside = false;
  walk(root, {
    enter(node, name) {
      if (name !== 'title' || title !== undefined) return title === undefined && !isDropped(node, name);
      title = '';
      inside = true;
      return true;
    },
    text(data) {
      if (inside) title += data;
    },
    leave(_, name) {
      if (name === 'title') inside = false;
    },
  });
  return (title ?? '').replace(/\s+/g, ' ').trim();
}
