// XML that is no page: the text of its elements, a line for each that holds text.
import { oneLine } from '../files/table.ts';
import { readPage, walk } from './read.ts';
import { CDATA, ELEMENT, HTML_NAMESPACE, TEXT, type TreeNode } from './tree.ts';

export interface ReadXml {
  title: string;
  text: string;
  format: 'text' | 'markdown';
}

/** The text of XML, and of its first `<title>`. XHTML, and what is not well-formed, is read as a page. */
export function readXml(tree: TreeNode): ReadXml {
  if (rootOf(tree)?.namespaceURI === HTML_NAMESPACE) return { ...readPage(tree), format: 'markdown' };
  const lines: string[] = [];
  let line = '';
  let title = '';
  /** The element whose text is one line: the outermost that has text of its own. */
  let holder: TreeNode | null = null;
  walk(tree, {
    enter(node) {
      if (!holder && hasText(node)) holder = node;
      return true;
    },
    text(data) {
      if (holder) line += data;
    },
    leave(node) {
      if (node === holder) {
        const text = oneLine(line);
        if (text !== '') lines.push(text);
        if (node.localName === 'title') title ||= text;
        line = '';
        holder = null;
      } else if (!holder && lines.at(-1) !== '') lines.push('');
    },
  });
  const text = lines.join('\n').trim();
  return { title, text: text === '' ? '' : `${text}\n`, format: 'text' };
}

function rootOf(tree: TreeNode): TreeNode | null {
  let child = tree.firstChild;
  while (child && child.nodeType !== ELEMENT) child = child.nextSibling;
  return child;
}

function hasText({ firstChild }: TreeNode): boolean {
  for (let child = firstChild; child; child = child.nextSibling)
    if ((child.nodeType === TEXT || child.nodeType === CDATA) && child.data!.trim() !== '') return true;
  return false;
}
