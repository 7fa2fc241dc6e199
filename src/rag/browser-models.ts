// The models that a browser brings itself, as generators and embedders. Their code is loaded when it is asked for.
import type { Database, Embedder, Generator, ModelProgress } from 'piramid';
import { checkOptions } from './documents.ts';

export interface BrowserModelOptions {
  /** Cancels the download and the start of the model. */
  signal?: AbortSignal;
  /**
   * Called while the browser downloads the model. Browsers report no bytes: `loadedBytes` is a share of 0 to 1, and
   * `totalBytes` is 1.
   */
  onProgress?: (progress: ModelProgress) => void;
}

export interface BrowserGeneratorOptions extends BrowserModelOptions {
  /**
   * Languages of documents, questions and answers (BCP 47): some browsers refuse those that their model does not know.
   * @default ['en']
   */
  languages?: readonly string[];
}

/**
 * The browser's own language model (Prompt API, on pages of desktop Chrome from 148 on). `ask` uses it for `generator:
 * 'browser'`. If the browser has to download it first, call this from a click or key press.
 *
 * Throws `UNSUPPORTED` if there is none, `MODEL_FAILED` if it cannot be downloaded or started.
 */
export async function browserGenerator(options: BrowserGeneratorOptions = {}): Promise<Generator> {
  checkOptions(options, ['languages', 'signal', 'onProgress'], 'browserGenerator');
  return (await import('./browser/generator.ts')).createGenerator(options);
}

/**
 * The browser's own embedding model, as an embedder for `database.collection(name, { embedder })`. The API is a
 * proposal, behind a flag in Chrome; see `browser/embedder.ts`. It names no model, so the embedder's fingerprint is how
 * it embeds a few sentences. If the browser later embeds them differently, opening the collection is `MODEL_MISMATCH`.
 *
 * Throws `UNSUPPORTED` if there is none, `MODEL_FAILED` if it cannot be downloaded or started.
 */
export async function browserEmbedder(
  database: Pick<Database, 'listCollections'>,
  options: BrowserModelOptions = {},
): Promise<Embedder> {
  checkOptions(options, ['signal', 'onProgress'], 'browserEmbedder');
  return (await import('./browser/embedder.ts')).createEmbedder(database, options);
}
