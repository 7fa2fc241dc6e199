// transformers.js and ONNX Runtime, loaded when the first model asks for them and set up once per worker: nothing comes
// from a CDN, models come from where `ModelSource` says, and what goes wrong is said in words that help.
//
// Two things are checked before ONNX Runtime sees them, because a failure inside it is for good (it never starts a
// second time in the same worker): its own files are there, and a model file is not a server's "not found" page.
import { PiramidError, throwIfAborted } from '../errors.ts';
import type { ModelSource } from '../types.ts';
import { answer, isPage } from './download.ts';
import type { LoadOptions } from './model.ts';
import {
  COPY_MODEL_ADVICE,
  MISSING_FILES_ADVICE,
  RUNTIME_MODULE,
  RUNTIME_WASM,
  TRANSFORMERS_MODULE,
} from './model-files.ts';

export type Transformers = typeof import('@huggingface/transformers');

export interface Runtime {
  /**
   * Runs `load` with transformers.js; what it fetches for `model`, of which it takes the weights `dtype`, is reported, and stops at
   * the signal.
   */
  load<T>(
    model: string,
    dtype: string,
    options: LoadOptions,
    load: (transformers: Transformers) => Promise<T>,
  ): Promise<T>;
}

export function createRuntime(source: ModelSource): Runtime {
  /** The loads under way, by model. */
  const loads = new Map<string, Set<LoadOptions>>();
  let ready: Promise<Transformers> | undefined;

  /** The network as transformers.js sees it. */
  async function fetchFile(input: string | URL, init?: RequestInit): Promise<Response> {
    // Undoes what `start` does to local URLs.
    const isLocal = /^\/https?:\/\//.test(String(input));
    const url = String(input).slice(isLocal ? 1 : 0);
    const model = [...loads.keys()].find((name) => url.includes(`/${name}/`)) ?? '';
    const callers = [...(loads.get(model) ?? [])];
    // A file that two loads wait for is not stopped by one of them.
    const signal = callers.length === 1 ? { signal: callers[0]!.signal } : {};
    const response = await fetch(url, { ...init, ...signal });
    // Other than a 404, the answer of a broken server would be taken for the file.
    if (isPage(response) || (isLocal && !response.ok)) return new Response(null, { status: 404 });
    const file = url.slice(url.indexOf(`/${model}/`) + model.length + 2).replace(/^resolve\/[^/]+\//, '');
    return watched(response, (loadedBytes, totalBytes) => {
      for (const { onProgress } of callers) onProgress({ model, file, loadedBytes, totalBytes });
    });
  }

  /** No signal stops it: whoever asks next needs it too. */
  async function start(model: string, onProgress: LoadOptions['onProgress']): Promise<Transformers> {
    const transformers = await importTransformers(source.runtime);
    const { env } = transformers;
    env.allowLocalModels = source.path !== undefined;
    // Given a URL with an origin, it would look for some files there and for others on the hub.
    if (source.path !== undefined) env.localModelPath = `/${source.path}`;
    env.allowRemoteModels = source.remote ?? true;
    env.fetch = fetchFile;
    // Its cache of the runtime would import the module from a blob (which a strict CSP forbids) and outlive an upgrade.
    env.useWasmCache = false;
    env.logLevel = transformers.LogLevel.ERROR;
    const wasm = env.backends.onnx.wasm;
    if (!wasm) throw new PiramidError('UNSUPPORTED', 'models of transformers.js run in browsers only');
    // Kept apart: written into the call, bundlers would look for the files at build time.
    const here = import.meta.url;
    const module = new URL(RUNTIME_MODULE, source.runtime ?? here).href;
    const binary = new URL(RUNTIME_WASM, source.runtime ?? here).href;
    const [, bytes] = await fetchRuntime([module, binary], (loadedBytes, totalBytes) =>
      onProgress({ model, file: RUNTIME_WASM, loadedBytes, totalBytes }),
    );
    wasm.wasmBinary = bytes!;
    wasm.wasmPaths = { mjs: module, wasm: binary };
    return transformers;
  }

  return {
    async load(model, dtype, options, load) {
      // Tried again after a failure: the files may have arrived since.
      ready ??= start(model, options.onProgress).catch((error) => {
        ready = undefined;
        throw error;
      });
      const transformers = await ready;
      const callers = loads.get(model) ?? new Set();
      loads.set(model, callers.add(options));
      try {
        return await load(transformers);
      } catch (error) {
        throwIfAborted(options.signal);
        throw explain(error, model, source, isMissing(error) ? await missingFiles(model, dtype, source) : []);
      } finally {
        callers.delete(options);
        if (callers.size === 0) loads.delete(model);
      }
    },
  };
}

/** From the package, as a bundler finds it; without one, from the folder `runtime`. */
async function importTransformers(runtime: string | undefined): Promise<Transformers> {
  try {
    return await import('@huggingface/transformers');
  } catch (error) {
    const why = 'its code could not be loaded; is @huggingface/transformers installed?';
    if (runtime === undefined) throw failure('transformers.js', why, error);
    const urls = [TRANSFORMERS_MODULE, RUNTIME_MODULE, RUNTIME_WASM].map((file) => runtime + file);
    const answers = await Promise.all(urls.map((url) => answer(url, { method: 'HEAD' })));
    const missing = answers.filter((answer) => typeof answer === 'string');
    if (missing.length > 0)
      throw failure(
        'transformers.js',
        `${why} Without a bundler, could not get ${missing.join(', ')}; ${MISSING_FILES_ADVICE}`,
        error,
      );
    return import(/* webpackIgnore: true */ /* @vite-ignore */ urls[0]!);
  }
}

/** The bytes of `urls`. Names all that are missing; `report` hears of the largest, which is the last. */
async function fetchRuntime(
  urls: readonly string[],
  report: (loadedBytes: number, totalBytes: number) => void,
): Promise<ArrayBuffer[]> {
  const answers = await Promise.all(urls.map((url) => answer(url)));
  const missing = answers.filter((answer) => typeof answer === 'string');
  if (missing.length > 0) {
    for (const answer of answers) if (typeof answer !== 'string') await answer.body?.cancel();
    throw failure('ONNX Runtime', `could not get ${missing.join(', ')}; ${MISSING_FILES_ADVICE}`);
  }
  try {
    return await Promise.all(
      (answers as Response[]).map((answer, i) =>
        (i === urls.length - 1 ? watched(answer, report) : answer).arrayBuffer(),
      ),
    );
  } catch (error) {
    throw failure('ONNX Runtime', `${urls.join(' or ')} could not be read to its end; check the network`, error);
  }
}

/** `response`, reporting bytes as they are read. */
function watched(response: Response, report: (loadedBytes: number, totalBytes: number) => void): Response {
  if (!response.ok || !response.body) return response;
  const { headers } = response;
  // Of a compressed answer the length tells nothing.
  const totalBytes = headers.has('content-encoding') ? 0 : Number(headers.get('content-length') ?? 0);
  let loadedBytes = 0;
  const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      loadedBytes += chunk.length;
      report(loadedBytes, totalBytes);
      controller.enqueue(chunk);
    },
  });
  return new Response(response.body.pipeThrough(counter), response);
}

function isMissing(error: unknown): boolean {
  return /ModelFileNotFoundError|\b40[134]\b|invalid model id/i.test(String(error));
}

/** What is not in the model's folder of what every model has; transformers.js names the first file alone. */
async function missingFiles(model: string, dtype: string, { path }: ModelSource): Promise<string[]> {
  if (path === undefined) return [];
  const weights = `onnx/model${dtype === 'fp32' ? '' : dtype === 'q8' ? '_quantized' : `_${dtype}`}.onnx`;
  const files = ['config.json', 'tokenizer.json', 'tokenizer_config.json', weights];
  const answers = await Promise.all(files.map((file) => answer(`${path}${model}/${file}`, { method: 'HEAD' })));
  return answers.filter((answer) => typeof answer === 'string');
}

/** `error` of a model in words: what failed and what to do. */
export function explain(
  error: unknown,
  model: string,
  source: ModelSource,
  missing: readonly string[] = [],
): PiramidError {
  if (error instanceof PiramidError) return error;
  const what = `model "${model}"`;
  const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const places = [
    ...(source.path === undefined ? [] : [`${source.path}${model}/`]),
    ...(source.remote === false ? [] : ['the Hugging Face hub']),
  ].join(' or ');
  if (isMissing(error)) {
    const which = missing.length > 0 ? `: ${missing.join(', ')}` : '';
    const advice = 'check its name, and that the weights of this dtype are there';
    return failure(what, `a file was not found at ${places}${which}; ${advice}: ${COPY_MODEL_ADVICE}`, error);
  }
  if (/Failed to fetch|NetworkError|Load failed|fetch failed/i.test(reason)) {
    const advice = "check the network, CORS, and the CSP's connect-src";
    return failure(what, `a file could not be fetched from ${places}; ${advice}`, error);
  }
  if (/bad_alloc|out of memory|allocation failed|failed to allocate|^RangeError/i.test(reason)) {
    return failure(what, 'memory ran out; take a smaller model, and open the database again', error);
  }
  return failure(what, reason, error);
}

export function failure(what: string, why: string, cause?: unknown): PiramidError {
  return new PiramidError('MODEL_FAILED', `${what}: ${why}`, { cause });
}
