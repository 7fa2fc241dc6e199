// The project's Markdown: every relative link leads to something, decisions have one shape, and their index is complete.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');
/** Folders with Markdown that is not ours. */
const FOREIGN = ['node_modules', 'dist', 'results', 'test-results'];

/** Every Markdown file of the project. */
function markdown(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return path.endsWith('.md') ? [path] : [];
    return entry.name.startsWith('.') || FOREIGN.includes(entry.name) ? [] : markdown(path);
  });
}

/** What a page says outside of code. */
function prose(path: string): string {
  return read(path)
    .replace(/^```[\s\S]*?^```/gm, '')
    .replace(/`[^`\n]*`/g, (code) => (code.includes('](') ? '' : code));
}

/** What links can lead to in a page: its headings, by the names that GitHub gives them, and its anchors. */
function anchors(path: string): Set<string> {
  const text = read(path).replace(/^```[\s\S]*?^```/gm, '');
  const names = new Set(Array.from(text.matchAll(/<a id="([^"]+)">/g), ([, id]) => id!));
  for (const [, heading] of text.matchAll(/^#+ +(.*)$/gm)) {
    const name = heading!
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M}\s_-]/gu, '')
      .replace(/ /g, '-');
    let unique = name;
    for (let i = 1; names.has(unique); i++) unique = `${name}-${i}`;
    names.add(unique);
  }
  return names;
}

test('no link in Markdown is dead', () => {
  const dead: string[] = [];
  for (const page of markdown('')) {
    for (const [, target] of prose(page).matchAll(/\]\(<?([^)\s>]+)>?\)/g)) {
      if (/^[a-z]+:/i.test(target!)) continue;
      const [path, anchor] = decodeURI(target!).split('#') as [string, string?];
      const file = path === '' ? page : normalize(join(dirname(page), path));
      if (file.startsWith('..') || !existsSync(join(root, file))) dead.push(`${page}: ${target}`);
      else if (anchor && file.endsWith('.md') && !anchors(file).has(anchor)) dead.push(`${page}: ${target}`);
    }
  }
  expect(dead).toEqual([]);
});

/** Where a page may look for a path that it names in short. */
const BASES = ['', 'src', 'src/kernels', 'src/worker', 'docs'];
const NAMED =
  /^(src|test|bench|tools|demo|docs|eval|examples|api|worker|tabs|store|indexes|kernels|webgpu|filter|text|structures|models|rag|import|extract|site)\/[\w./-]+$/;

test('files that pages name in code exist', () => {
  const missing: string[] = [];
  for (const page of markdown('').filter((page) => !/^docs[\\/](decisions|api)|^CHANGELOG/.test(page))) {
    for (const [, code] of read(page).matchAll(/`([^`\n]+)`/g)) {
      if (!NAMED.test(code!) || /NAME|SLUG|-N\.|^bench\/results/.test(code!)) continue;
      const isThere = BASES.some((base) => ['', '.ts'].some((end) => existsSync(join(root, base, code! + end))));
      if (!isThere) missing.push(`${page}: ${code}`);
    }
  }
  expect(missing).toEqual([]);
});

test('each decision has a date, a context, a decision and consequences, and is in the index', () => {
  const index = read('docs/decisions/README.md');
  const decisions = readdirSync(join(root, 'docs/decisions')).filter((name) => name !== 'README.md');
  for (const name of decisions) {
    expect(read(`docs/decisions/${name}`)).toMatch(
      /^# .+\n\nDate: \d{4}-\d\d-\d\d.*\n\n## Context\n[\s\S]+\n## Decision\n[\s\S]+\n## Consequences\n/,
    );
    expect(index, `docs/decisions/README.md lists ${name}`).toContain(`(${name})`);
  }
});

test('the API reference is what the doc comments say', () => {
  const { status, stderr } = spawnSync(process.execPath, ['tools/docs.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});
