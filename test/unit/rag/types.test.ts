import { expectTypeOf, test } from 'vitest';
import type { Collection } from '../../../src/index.ts';
import type { DocumentCollection } from '../../../src/rag/index.ts';

interface Note {
  shelf: string;
}

test('every collection can hold documents', () => {
  expectTypeOf<Collection>().toExtend<DocumentCollection>();
  expectTypeOf<Collection<{ shelf: string }>>().toExtend<DocumentCollection>();
  expectTypeOf<Collection<Note>>().toExtend<DocumentCollection>();
});
