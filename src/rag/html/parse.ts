// A document's source as a tree. On the page the browser parses: `DOMParser` is exact and runs no scripts. Where it is
// missing (workers, Node), refused by the page's policy, or would hold the page's thread for long, a library does.
import { ELEMENT, type TreeNode } from './tree.ts';

/** Longer documents are parsed by the library. Characters. */
const AT_ONCE_MAX = 1_000_000;
/** From this depth on browsers nest no further, which can move text out of an element that is not read. */
const BROWSER_DEPTH = 500;

export type Syntax = 'html' | 'xml';

/** The tree that the browser makes of a document; null where it should not or cannot: of XML that is not well-formed, too. */
export function parseByBrowser(source: string, syntax: Syntax): TreeNode | null {
  if (typeof DOMParser === 'undefined' || source.length > AT_ONCE_MAX) return null;
  const policy = trustedTypesPolicy();
  if (policy === null) return null;
  const markup = policy ? (policy.createHTML(source) as unknown as string) : source;
  const tree = new DOMParser().parseFromString(markup, syntax === 'xml' ? 'application/xhtml+xml' : 'text/html');
  // A document that is not well-formed has an element of this name, in one namespace or another.
  const isRefused = syntax === 'html' ? isDeep(tree) : tree.getElementsByTagNameNS('*', 'parsererror').length > 0;
  return isRefused ? null : (tree as TreeNode);
}

/**
 * The tree that the libraries make of it, the same one. What is not well-formed XML is parsed as HTML. Throws `INVALID_ARGUMENT`
 * where it is too deep.
 */
export async function parseByLibrary(source: string, syntax: Syntax): Promise<TreeNode> {
  const tree = syntax === 'xml' ? (await import('./xml-parser.ts')).parseXml(source) : null;
  return tree ?? (await import('./html-parser.ts')).parseHtml(source);
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
