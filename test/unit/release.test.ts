// The id by which files that are loaded on demand are told apart from those of another build of the same version.
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { hashOf } from '../../tools/release.ts';

test('a build is named by its version and the hash of its sources', () => {
  expect(PIRAMID_BUILD).toMatch(/^\d+\.\d+\.\d+\S*\+[0-9a-f]{8}$/);
  expect(PIRAMID_BUILD.startsWith(`${PIRAMID_RELEASE}+`)).toBe(true);
});

test('the hash is that of paths and contents, whoever wrote them in whatever order', () => {
  const written = (files: readonly (readonly [string, string])[]) => {
    const folder = mkdtempSync(join(tmpdir(), 'piramid-release-'));
    mkdirSync(join(folder, 'in'));
    for (const [path, text] of files) writeFileSync(join(folder, path), text);
    return folder;
  };
  const files = [
    ['a.ts', '1'],
    ['in/b.ts', '2'],
  ] as const;
  const folders = [written(files), written(files.toReversed())];
  const first = hashOf(folders[0]!);
  expect(first).toMatch(/^[0-9a-f]{8}$/);
  expect(hashOf(folders[1]!)).toBe(first);
  writeFileSync(join(folders[1]!, '.DS_Store'), '?');
  expect(hashOf(folders[1]!)).toBe(first);
  writeFileSync(join(folders[0]!, 'a.ts'), '3');
  renameSync(join(folders[1]!, 'a.ts'), join(folders[1]!, 'in/a.ts'));
  expect(new Set([first, ...folders.map(hashOf)]).size).toBe(3);
  for (const folder of folders) rmSync(folder, { recursive: true });
});
