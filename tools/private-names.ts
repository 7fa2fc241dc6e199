// Vite plugin: gives what TypeScript calls private a name that the minifier may shorten (`PRIVATE`), 1.3 kB of the core, gzipped.
// Such a member is used in its class alone, so it is renamed file by file, and only where every use is `this.name` or `{ name } = this`:
// what is read from another object may be a field of another type.
import { type Plugin, parseAst } from 'vite';

/** For `mangleProps` of the minifier. */
export const PRIVATE = /^private_/;

type Node = { type: string; start: number; end: number; [key: string]: unknown };

export function privateNames(): Plugin {
  return {
    name: 'private-names',
    enforce: 'pre',
    transform(code, id) {
      if (!/\/src\/.*(?<!\.as)\.ts(?:$|\?)/.test(id) || !code.includes('private ')) return null;
      return { code: renamed(code), map: null };
    },
  };
}

function renamed(source: string): string {
  const privates = new Set<string>();
  const others = new Set<string>();
  /** Where a name stands, and what takes its place. */
  const uses: { name: string; at: Node; text: string }[] = [];
  const use = (name: string, at: Node, text = `private_${name}`) => uses.push({ name, at, text });

  const walk = (node: Node, parent: Node | null) => {
    const { type, key, computed } = node as Node & { key?: Node };
    const name = nameOf(key);
    if (name !== null && !computed) {
      if (node.accessibility === 'private' && name !== 'constructor') {
        privates.add(name);
        use(name, key!);
      } else if (type === 'MethodDefinition' || type === 'PropertyDefinition') others.add(name);
      else if (type === 'Property' && parent?.type === 'ObjectPattern' && isThis(parent.from as Node | undefined))
        use(name, key!, node.shorthand ? `private_${name}: ${name}` : `private_${name}`);
    }
    if (type === 'MemberExpression' && !computed) {
      const member = nameOf(node.property as Node);
      if (member !== null && isThis(node.object as Node)) use(member, node.property as Node);
      else if (member !== null) others.add(member);
    }
    for (const [field, value] of Object.entries(node)) {
      for (const child of Array.isArray(value) ? value : [value]) {
        if (field === 'from' || typeof child?.type !== 'string') continue;
        if (type === 'VariableDeclarator' && field === 'id') child.from = node.init;
        walk(child, node);
      }
    }
  };
  walk(parseAst(source, { lang: 'ts', astType: 'ts' }) as unknown as Node, null);

  const wanted = uses.filter(({ name }) => privates.has(name) && !others.has(name));
  let code = source;
  for (const { at, text } of wanted.sort((a, b) => b.at.start - a.at.start))
    code = code.slice(0, at.start) + text + code.slice(at.end);
  return code;
}

function nameOf(key: Node | undefined): string | null {
  return key?.type === 'Identifier' ? (key.name as string) : null;
}

function isThis(node: Node | undefined): boolean {
  return node?.type === 'ThisExpression';
}
