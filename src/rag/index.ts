// `piramid/rag`: documents in, answers with citations out. Built on the public API alone, as any user could.
export { type Answer, type AskOptions, ask, QUOTATIONS } from './ask.ts';
export {
  type BrowserGeneratorOptions,
  type BrowserModelOptions,
  browserEmbedder,
  browserGenerator,
} from './browser-models.ts';
export { type Chunk, type ChunkOptions, chunk, type TextFormat } from './chunk.ts';
export type { Citation, Quotation } from './citation.ts';
export {
  type DocumentCollection,
  type DocumentInfo,
  deleteDocument,
  listDocuments,
  readDocument,
  type StoredDocument,
} from './documents.ts';
export {
  type ExtractedText,
  type Extraction,
  type ExtractOptions,
  type Extractor,
  extract,
  type FileInput,
} from './extract.ts';
export { type DocumentInput, type IngestOptions, type IngestProgress, type IngestResult, ingest } from './ingest.ts';
export { NEAREST, NOT_FOUND } from './prompt.ts';
export { type RetrieveOptions, retrieve, type Source } from './retrieve.ts';
export type { Support } from './support.ts';
