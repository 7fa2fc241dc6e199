// Item 8 on the page: PDF and Word by their extractors, in Chromium.
import { strToU8, zipSync } from 'fflate';
import { docx } from 'piramid/extract-docx';
import { pdf, pdfWith } from 'piramid/extract-pdf';
import { extract, ingest, readDocument } from 'piramid/rag';
import { expect, test } from 'vitest';
import { openFresh } from '../browser/api/databases.ts';
import { makePdf } from './pdf.ts';

test('PDF', async () => {
  const scope = globalThis as { pdfjsWorker?: unknown };
  scope.pdfjsWorker = 'another one';
  const file = new File([makePdf([['First line', 'Second line'], ['Page two']], 'Report')], 'a.pdf');
  const expected = { title: 'Report', text: 'First line\nSecond line\n\nPage two\n', format: 'text' };
  for (const extractor of [pdf, pdfWith({ standardFontDataUrl: '/node_modules/pdfjs-dist/standard_fonts/' }), pdf])
    expect(await extract(file, { extractors: { pdf: extractor } })).toEqual(expected);
  // What the page has of its own stays as it is.
  expect(scope.pdfjsWorker).toBe('another one');
  delete scope.pdfjsWorker;
});

test('Word', async () => {
  const document =
    '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>A report</w:t></w:r></w:p><w:p><w:r><w:t>Words</w:t></w:r></w:p>';
  const bytes = zipSync({
    '[Content_Types].xml': strToU8(
      '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
    ),
    '_rels/.rels': strToU8(
      '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>',
    ),
    'word/document.xml': strToU8(
      `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>${document}</w:body></w:document>`,
    ),
  }) as Uint8Array<ArrayBuffer>;
  expect(await extract(new File([bytes], 'a.docx'), { extractors: { docx } })).toEqual({
    title: 'A report',
    text: '# A report\n\nWords\n',
    format: 'markdown',
  });
});

test('a document that is read otherwise than before is written again, and only what changed is embedded', async () => {
  await using db = await openFresh({ storage: 'memory' });
  const embedded: string[] = [];
  const embedder = {
    dimension: 2,
    fingerprint: 'lengths',
    embed: async (texts: readonly string[], { kind }: { kind: string }) => {
      if (kind === 'document') embedded.push(...texts);
      return texts.map((text) => Float32Array.of(1, text.length));
    },
  };
  const collection = await db.collection('documents', { embedder });
  const sections = Array.from({ length: 12 }, (_, i) => `## Part ${i}\n\n${`Words of part ${i}. `.repeat(12)}\n\n`);
  const document = (changed: string[] = sections) => ({ id: 'a', text: changed.join(''), format: 'markdown' as const });
  const options = { chunk: { maxWords: 60, minWords: 10 } };
  await ingest(collection, [document()], options);
  expect(embedded).toHaveLength(12);
  const before = await collection.get(['a#3'], { select: ['vector'] });

  // As an earlier release would have left it.
  const stored = await readDocument(collection, 'a');
  const { text: _, metadata: __, spans: ___, ...info } = stored!;
  await collection.update(
    { where: { 'document.id': 'a' } },
    { set: { document: { ...info, hash: 'of an earlier version' } } },
  );
  embedded.length = 0;
  expect((await ingest(collection, [document()], options)).updated).toEqual(['a']);
  expect(embedded).toEqual([]);
  expect(await collection.get(['a#3'], { select: ['vector'] })).toEqual(before);

  const changed = sections.with(5, '## Other\n\nNew words, and enough of them to be a passage of their own, here.\n\n');
  await ingest(
    collection,
    [document(['## New\n\nA first part with some words in it, as many as it needs.\n\n', ...changed])],
    options,
  );
  expect(embedded.map((text) => text.split('\n')[0])).toEqual(['## New', '## Other']);
  expect((await ingest(collection, [document(sections)], options)).updated).toEqual(['a']);
  expect((await ingest(collection, [document(sections)], options)).skipped).toEqual(['a']);
});
