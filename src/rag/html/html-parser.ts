// HTML by parse5, for workers and Node, which have no DOMParser, and for pages that are too large for one long task. It
// builds the same tree as browsers do. Loaded on demand.
import { html as constants, Parser, type Token, type TreeAdapter, type TreeAdapterTypeMap } from 'parse5';
import { LightNode, ParserLimits, TEXT } from './tree.ts';

type Light = TreeAdapterTypeMap<
  LightNode,
  LightNode,
  LightNode,
  LightNode,
  LightNode,
  LightNode,
  LightNode,
  LightNode,
  LightNode,
  LightNode
>;

/** Characters per step. */
const SLICE = 1 << 18;

const COMMENT = 8;
const DOCUMENT = 9;
const DOCTYPE = 10;
const FRAGMENT = 11;

/** The document as a tree. Other work can run between steps. */
export async function parseHtml(source: string): Promise<LightNode> {
  const parser = new Parser<Light>({ treeAdapter: adapter(new ParserLimits(source.length)), scriptingEnabled: false });
  for (let at = 0; at === 0 || at < source.length; at += SLICE) {
    if (at > 0) await new Promise((resolve) => setTimeout(resolve));
    parser.tokenizer.write(source.slice(at, at + SLICE), at + SLICE >= source.length);
  }
  return parser.document;
}

function adapter(limits: ParserLimits): TreeAdapter<Light> {
  const make = (type: number, name?: string, namespace?: string, attributes?: Token.Attribute[]): LightNode => {
    limits.node();
    return new LightNode(type, name, namespace, attributes);
  };
  let depth = 0;
  let mode = constants.DOCUMENT_MODE.NO_QUIRKS;
  return {
    createDocument: () => make(DOCUMENT),
    createDocumentFragment: () => make(FRAGMENT),
    createElement: (name, namespace, attributes) => make(1, name, namespace, attributes),
    createCommentNode: () => make(COMMENT),
    createTextNode: (text) => Object.assign(make(TEXT), { data: text }),
    appendChild: (parent, node) => parent.insert(node),
    insertBefore: (parent, node, next) => parent.insert(node, next),
    insertText: (parent, text) => parent.insertText(text) && limits.node(),
    insertTextBefore: (parent, text, next) => parent.insertText(text, next) && limits.node(),
    detachNode: (node) => node.remove(),
    // A template's content is not read.
    setTemplateContent: () => {},
    getTemplateContent: () => make(FRAGMENT),
    setDocumentType: () => {},
    setDocumentMode: (_, given) => {
      mode = given;
    },
    getDocumentMode: () => mode,
    // Those of a second <html> or <body>; what is read has none.
    adoptAttributes: () => {},
    getFirstChild: (node) => node.firstChild,
    getChildNodes: (node) => children(node),
    getParentNode: (node) => node.parentNode,
    getAttrList: (node) => node.attributes,
    getTagName: (node) => node.localName,
    getNamespaceURI: (node) => node.namespaceURI as constants.NS,
    getTextNodeContent: (node) => node.data,
    getCommentNodeContent: () => '',
    getDocumentTypeNodeName: () => '',
    getDocumentTypeNodePublicId: () => '',
    getDocumentTypeNodeSystemId: () => '',
    isTextNode: (node): node is LightNode => node.nodeType === TEXT,
    isCommentNode: (node): node is LightNode => node.nodeType === COMMENT,
    isDocumentTypeNode: (node): node is LightNode => node.nodeType === DOCTYPE,
    isElementNode: (node): node is LightNode => node.nodeType === 1,
    getNodeSourceCodeLocation: () => null,
    setNodeSourceCodeLocation: () => {},
    updateNodeSourceCodeLocation: () => {},
    onItemPush: () => limits.depth(++depth),
    onItemPop: () => {
      depth--;
    },
  };
}

function children(node: LightNode): LightNode[] {
  const found: LightNode[] = [];
  for (let child = node.firstChild; child; child = child.nextSibling) found.push(child);
  return found;
}
