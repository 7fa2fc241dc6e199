// transformers.js and ONNX Runtime, loaded when the first model asks for them and set up once per worker: nothing comes
// from a CDN, models come from where `ModelSource` says, and what goes wrong is said in words that help.
//
// Two things are checked before ONNX Runtime sees them, because a failure inside it is for good (it never starts a
// second time in the same worker): its own files are there, and a model file is not a server's "not found" page.
import { PiramidError, throwIfAborted } from '../errors.ts';
import type { ModelSource } from '../types.ts';
import type { LoadOptions } from './model.ts';

export type Transformers = typeof import('@huggingface/transformers');

/** ONNX Runtime for the CPU: half the size of the build that also knows WebGPU, and quicker to load and to run. */
const RUNTIME_MODULE = 'ort-wasm-simd-threaded.mjs';
const RUNTIME_WASM = 'ort-wasm-simd-threaded.wasm';

export interface Runtime {
  /** Runs `load` with transformers.js; the files it fetches for `model` stop at the signal. */
  load<T>(
    model: string,
    options: LoadOptions,
    load: (transformers: Transformers, onProgress: (event: ProgressEvent) => void) => Promise<T>,
  ): Promise<T>;
}

/** What transformers.js reports; only 'progress' has bytes. */
interface ProgressEvent {
  status: string;
  file?: string;
  loaded?: number;
  total?: number;
}

export function createRuntime(source: ModelSource): Runtime {
  /** Signals of the loads under way, by model. */
  const loads = new Map<string, Set<AbortSignal>>();
  let ready: Promise<Transformers> | undefined;

  /** The network as transformers.js sees it. */
  async function fetchFile(input: string | URL, init?: RequestInit): Promise<Response> {
    const url = String(input);
    const signals = [...loads].flatMap(([model, signals]) => (url.includes(`/${model}/`) ? [...signals] : []));
    const [signal] = signals;
    // A file that two loads wait for is not stopped by one of them.
    const response = await fetch(url, signal && signals.length === 1 ? { ...init, signal } : init);
    // Development servers answer a missing file with their index page, which would be taken (and cached) for the file.
    return response.headers.get('content-type')?.includes('text/html') ? new Response(null, { status: 404 }) : response;
  }

  /** No signal stops it: whoever asks next needs it too. */
  async function start(model: string, onProgress: LoadOptions['onProgress']): Promise<Transformers> {
    const transformers = await import('@huggingface/transformers').catch((error) => {
      throw failure(
        'the transformers.js runtime',
        'its code could not be loaded; is @huggingface/transformers installed and bundled?',
        error,
      );
    });
    const { env } = transformers;
    env.allowLocalModels = source.path !== undefined;
    if (source.path !== undefined) env.localModelPath = source.path;
    env.allowRemoteModels = source.remote ?? true;
    env.fetch = fetchFile;
    // Its cache of the runtime would import the module from a blob (which a strict CSP forbids) and outlive an upgrade.
    env.useWasmCache = false;
    env.logLevel = transformers.LogLevel.ERROR;
    const wasm = env.backends.onnx.wasm;
    if (!wasm) throw new PiramidError('UNSUPPORTED', 'this build of ONNX Runtime has no WASM backend');
    // Kept apart: written into the call, bundlers would look for the files at build time.
    const here = import.meta.url;
    const module = new URL(RUNTIME_MODULE, source.runtime ?? here).href;
    const binary = new URL(RUNTIME_WASM, source.runtime ?? here).href;
    await fetchRuntime(module, () => undefined);
    const report = (loadedBytes: number, totalBytes: number) =>
      onProgress({ model, file: RUNTIME_WASM, loadedBytes, totalBytes });
    wasm.wasmBinary = await fetchRuntime(binary, report);
    wasm.wasmPaths = { mjs: module, wasm: binary };
    return transformers;
  }

  return {
    async load(model, options, load) {
      // Tried again after a failure: the files may have arrived since.
      ready ??= start(model, options.onProgress).catch((error) => {
        ready = undefined;
        throw error;
      });
      const transformers = await ready;
      const signals = loads.get(model) ?? new Set();
      loads.set(model, signals.add(options.signal));
      try {
        return await load(transformers, ({ status, file = '', loaded = 0, total = 0 }) => {
          if (status === 'progress') options.onProgress({ model, file, loadedBytes: loaded, totalBytes: total });
        });
      } catch (error) {
        throwIfAborted(options.signal);
        throw explain(error, model, source);
      } finally {
        signals.delete(options.signal);
        if (signals.size === 0) loads.delete(model);
      }
    },
  };
}

async function fetchRuntime(
  url: string,
  report: (loadedBytes: number, totalBytes: number) => void,
): Promise<ArrayBuffer> {
  const advice = "copy it from node_modules/onnxruntime-web/dist and say where it is: models: { runtime: '/onnx/' }";
  try {
    const response = await fetch(url);
    const isPage = response.headers.get('content-type')?.includes('text/html');
    if (!response.ok || isPage) {
      await response.body?.cancel();
      const got = isPage ? 'an HTML page came' : `the server answered ${response.status}`;
      throw failure('ONNX Runtime', `${url} was not found (${got}); ${advice}`);
    }
    const totalBytes = Number(response.headers.get('content-length') ?? 0);
    let loadedBytes = 0;
    const counted = response.body?.pipeThrough(
      new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
        transform(chunk, controller) {
          loadedBytes += chunk.length;
          report(loadedBytes, totalBytes);
          controller.enqueue(chunk);
        },
      }),
    );
    return await new Response(counted ?? null).arrayBuffer();
  } catch (error) {
    if (error instanceof PiramidError) throw error;
    throw failure('ONNX Runtime', `${url} could not be fetched; ${advice}`, error);
  }
}

/** `error` of a model in words: what failed and what to do. */
export function explain(error: unknown, model: string, source: ModelSource): PiramidError {
  if (error instanceof PiramidError) return error;
  const what = `model "${model}"`;
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const places = [
    ...(source.path === undefined ? [] : [`${source.path}${model}/`]),
    ...(source.remote === false ? [] : ['the Hugging Face hub']),
  ].join(' and ');
  if (/ModelFileNotFoundError|\b40[134]\b|invalid model id/i.test(reason)) {
    return failure(
      what,
      `a file was not found at ${places}; check the name, and that the folder has the weights asked for`,
      error,
    );
  }
  if (/Failed to fetch|NetworkError|Load failed|fetch failed/i.test(reason)) {
    return failure(
      what,
      `a file could not be fetched from ${places}; check the network, CORS and the CSP's connect-src`,
      error,
    );
  }
  if (/bad_alloc|out of memory|allocation failed|failed to allocate|^RangeError/i.test(reason)) {
    return failure(
      what,
      'memory ran out; take a smaller model or close other tabs, then open the database again',
      error,
    );
  }
  return failure(what, reason, error);
}

export function failure(what: string, why: string, cause?: unknown): PiramidError {
  return new PiramidError('MODEL_FAILED', `${what}: ${why}`, { cause });
}
