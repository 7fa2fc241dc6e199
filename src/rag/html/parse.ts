// A document's source as a tree. On the page the browser parses: `DOMParser` is exact and runs no scripts. Where it is
// missing (workers, Node), refused by the page's policy, or would hold the page's thread for long, a library does.
import { PiramidError } from 'piramid';
import { ELEMENT, type TreeNode } from './tree.ts';

/** Longer HTML is parsed in steps, by the library. Characters. */
const AT_ONCE_MAX = 1_000_000;
/** Longer documents are refused. Characters. */
export const LENGTH_MAX = 50_000_000;
/** From this depth on browsers nest no further, which can move text out of an element that is not read. */
const BROWSER_DEPTH = 500;

export type Syntax = 'html' | 'xml';

/** The tree of a document. What is not well-formed XML is parsed as HTML. Throws `INVALID_ARGUMENT` where it is too large or too deep. */
export async function parseDocument(source: string, syntax: Syntax): Promise<TreeNode> {
  if (source.length > LENGTH_MAX) {
    throw new PiramidError(
      'INVALID_ARGUMENT',
      `the document has ${source.length} characters; at most ${LENGTH_MAX} can be read`,
    );
  }
  if (syntax === 'xml') {
    const tree = byBrowser(source, 'application/xhtml+xml') ?? (await import('./xml-parser.ts')).parseXml(source);
    if (tree) return tree;
  }
  return byBrowser(source, 'text/html') ?? (await import('./html-parser.ts')).parseHtml(source);
}

/** The tree that the browser makes; null where it should not or cannot. */
function byBrowser(source: string, type: 'text/html' | 'application/xhtml+xml'): TreeNode | null {
  if (typeof DOMParser === 'undefined' || source.length > AT_ONCE_MAX) return null;
  const policy = trustedTypesPolicy();
  if (policy === null) return null;
  const markup = policy ? (policy.createHTML(source) as unknown as string) : source;
  const tree = new DOMParser().parseFromString(markup, type);
  // A document that is not well-formed has an element of this name, in one namespace or another.
  const isRefused = type === 'text/html' ? isDeep(tree) : tree.getElementsByTagNameNS('*', 'parsererror').length > 0;
  return isRefused ? null : (tree as TreeNode);
}

interface Policy {
  createHTML(source: string): unknown;
}

let policy: Policy | null | undefined;

/** The policy for pages that require one; undefined where browsers have no such thing, null where the page refuses it. */
function trustedTypesPolicy(): Policy | null | undefined {
  if (policy !== undefined) return policy;
  const { trustedTypes } = globalThis as {
    trustedTypes?: { createPolicy(name: string, rules: { createHTML: (source: string) => string }): Policy };
  };
  if (!trustedTypes) return undefined;
  try {
    // The document that comes of it is never shown: it has no scripts that run, and only its text is read.
    policy = trustedTypes.createPolicy('piramid', { createHTML: (source) => source });
  } catch {
    policy = null;
  }
  return policy;
}

function isDeep(tree: TreeNode): boolean {
  let depth = 0;
  let node: TreeNode = tree;
  for (;;) {
    if (node.firstChild) {
      if (node.nodeType === ELEMENT && ++depth > BROWSER_DEPTH) return true;
      node = node.firstChild;
      continue;
    }
    while (!node.nextSibling) {
      if (!node.parentNode || node.parentNode === tree) return false;
      node = node.parentNode;
      depth--;
    }
    node = node.nextSibling;
  }
}
