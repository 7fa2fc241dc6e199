// What the engine knows of models: how to get one by name. The plain worker knows the built-in embedder only; the rag
// worker adds transformers.js.
import type {
  ChatMessage,
  Embedder,
  EmbedderOptions,
  ModelInfo,
  ModelProgress,
  ModelSource,
  Reranker,
} from '../types.ts';

/** A generator as the worker runs it. */
export interface WorkerGenerator {
  readonly info: ModelInfo;
  generate(
    messages: readonly ChatMessage[],
    options: { signal: AbortSignal; maxTokens: number; onToken: (piece: string) => void },
  ): Promise<void>;
}

/** An embedder as the worker runs it. */
export type LoadedEmbedder = Embedder & { readonly info: ModelInfo };

/** A reranker as the worker runs it. */
export type LoadedReranker = Reranker & { readonly info: ModelInfo };

export interface LoadOptions {
  signal: AbortSignal;
  onProgress: (progress: ModelProgress) => void;
}

/** Loads models. Each model is loaded once; concurrent calls share the load. Failures are `MODEL_FAILED`. */
export interface ModelLoader {
  /** `UNSUPPORTED` if this loader has no runtime for that model. */
  embedder(options: EmbedderOptions, load: LoadOptions): Promise<LoadedEmbedder>;
  generator(model: string, load: LoadOptions): Promise<WorkerGenerator>;
  reranker(model: string, load: LoadOptions): Promise<LoadedReranker>;
  /** Frees every model. */
  close(): Promise<void>;
}

/** Makes the loader of a worker. URLs in `source` are absolute and end in '/'. */
export type CreateModelLoader = (source: ModelSource) => ModelLoader;
