// The small part of the DOM that reading a page needs. The browser's own nodes have it; what the libraries parse is built
// of `LightNode`, so that one reader serves both.
import { PiramidError } from '../../errors.ts';

/** A node of a parsed document. `Node` of the DOM satisfies it. */
export interface TreeNode {
  /** 1 element, 3 text, 4 CDATA section, others as in the DOM. */
  readonly nodeType: number;
  readonly parentNode: TreeNode | null;
  readonly firstChild: TreeNode | null;
  readonly nextSibling: TreeNode | null;
  /** Of elements. */
  readonly localName?: string;
  readonly namespaceURI?: string | null;
  getAttribute?(name: string): string | null;
  /** Of text. */
  readonly data?: string;
}

export const ELEMENT = 1;
export const TEXT = 3;
export const CDATA = 4;
export const HTML_NAMESPACE = 'http://www.w3.org/1999/xhtml';

/** Elements inside of each other that the libraries may open. Browsers stop at 512 (HTML) and 5000 (XML). */
export const DEPTH_MAX = 5000;
/** Nodes per character that a document may grow to: badly nested formatting is repeated in each paragraph. */
const GROWTH_MAX = 4;
const GROWTH_FREE = 100_000;

/** A node that a library's parser made. */
export class LightNode implements TreeNode {
  parentNode: LightNode | null = null;
  firstChild: LightNode | null = null;
  lastChild: LightNode | null = null;
  nextSibling: LightNode | null = null;
  previousSibling: LightNode | null = null;
  data = '';

  constructor(
    readonly nodeType: number,
    readonly localName: string = '',
    readonly namespaceURI: string | null = null,
    readonly attributes: { name: string; value: string }[] = [],
  ) {}

  getAttribute(name: string): string | null {
    return this.attributes.find((attribute) => attribute.name === name)?.value ?? null;
  }

  /** Puts a node before `next`, or at the end. */
  insert(node: LightNode, next: LightNode | null = null): void {
    node.remove();
    const previous = next ? next.previousSibling : this.lastChild;
    node.parentNode = this;
    node.previousSibling = previous;
    node.nextSibling = next;
    if (previous) previous.nextSibling = node;
    else this.firstChild = node;
    if (next) next.previousSibling = node;
    else this.lastChild = node;
  }

  /** Puts text before `next`, or at the end; joins the text that is there. */
  insertText(text: string, next: LightNode | null = null): boolean {
    const previous = next ? next.previousSibling : this.lastChild;
    if (previous?.nodeType === TEXT) {
      previous.data += text;
      return false;
    }
    const node = new LightNode(TEXT);
    node.data = text;
    this.insert(node, next);
    return true;
  }

  remove(): void {
    const { parentNode, previousSibling, nextSibling } = this;
    if (!parentNode) return;
    if (previousSibling) previousSibling.nextSibling = nextSibling;
    else parentNode.firstChild = nextSibling;
    if (nextSibling) nextSibling.previousSibling = previousSibling;
    else parentNode.lastChild = previousSibling;
    this.parentNode = null;
    this.previousSibling = null;
    this.nextSibling = null;
  }
}

/** Counts what a parser makes of `characters`, and throws where it gets out of hand. */
export class ParserLimits {
  readonly #nodesMax: number;
  #nodes = 0;

  constructor(characters: number) {
    this.#nodesMax = GROWTH_FREE + GROWTH_MAX * characters;
  }

  node(): void {
    if (++this.#nodes > this.#nodesMax) throw tooMuch(`it would grow to more than ${this.#nodesMax} nodes`);
  }

  depth(depth: number): void {
    if (depth > DEPTH_MAX) throw tooMuch(`it nests elements more than ${DEPTH_MAX} deep`);
  }
}

function tooMuch(what: string): PiramidError {
  return new PiramidError('INVALID_ARGUMENT', `the document cannot be read: ${what}`);
}
