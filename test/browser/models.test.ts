// The models in a real browser: the built-in one, and transformers.js in a module worker with the models of
// ../shared/models (or PIRAMID_MODELS), if they are there.
import { type Remote, wrap } from 'comlink';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { createStaticLoader } from '../../src/models/loader.ts';
import type { ModelProgress } from '../../src/types.ts';
import type { ModelsWorker } from './models.worker.ts';

const here = (path: string) => new URL(path, location.href).href;
const sharedModels = inject('sharedModels');
if (sharedModels === '')
  console.info('skipped: tests on real models (no ../shared/models, and PIRAMID_MODELS is not set)');

const loading = (onProgress: (progress: ModelProgress) => void = () => undefined) => ({
  signal: new AbortController().signal,
  onProgress,
});

describe('the built-in embedder', () => {
  const source = { path: here('/models/') };
  const TABLE = here('/models/static-en/raw/table.u4');

  test('loads with progress, is kept checked in Cache Storage, and is mended there', async () => {
    await caches.delete('piramid-models');
    const seen: ModelProgress[] = [];
    const embedder = await createStaticLoader(source).embedder(
      { model: 'static-en' },
      loading((event) => seen.push(event)),
    );
    const table = seen.filter(({ file }) => file === 'raw/table.u4').map(({ loadedBytes }) => loadedBytes);
    expect(table.length).toBeGreaterThan(1);
    expect(table.at(-1)).toBe(5_760_000);
    const cache = await caches.open('piramid-models');
    expect((await cache.keys()).map(({ url }) => url).toSorted()).toEqual([
      here('/models/static-en/raw/scales.f32'),
      TABLE,
      here('/models/static-en/tokenizer.json'),
    ]);

    await cache.put(TABLE, new Response(new Uint8Array(5_760_000)));
    const mended = await createStaticLoader(source).embedder({ model: 'static-en' }, loading());
    const texts = ['What did Lincoln say about slavery?', '日本語のテキスト'];
    const vectors = await embedder.embed(texts, { kind: 'query' });
    expect(await mended.embed(texts, { kind: 'query' })).toEqual(vectors);
    expect(vectors[0]![0]).toBeCloseTo(-0.016532, 5);
    expect(vectors[1]).toBeNull();
    expect((await (await cache.match(TABLE))!.bytes()).some((byte) => byte !== 0)).toBe(true);
  });

  test('says which URL is missing', async () => {
    const load = createStaticLoader({ path: here('/nowhere/') }).embedder({ model: 'static-en' }, loading());
    await expect(load).rejects.toMatchObject({
      code: 'MODEL_FAILED',
      message: expect.stringContaining('/nowhere/static-en/'),
    });
  });
});

describe.skipIf(sharedModels === '')('transformers.js in a worker', () => {
  const MINILM = { model: 'all-MiniLM-L6-v2' };
  const BGE = { model: 'bge-small-en-v1.5' };
  const LLM = 'smollm2-135m-instruct';
  const source = {
    path: here(`/@fs${sharedModels}/`),
    runtime: here('/node_modules/onnxruntime-web/dist/'),
    remote: false,
  };
  let worker: Worker;
  let models: Remote<ModelsWorker>;

  beforeAll(async () => {
    // Other test files of this origin may have loaded the same models, and what is kept is not loaded again.
    for (const name of await caches.keys()) await caches.delete(name);
    worker = new Worker(new URL('./models.worker.ts', import.meta.url), { type: 'module' });
    models = wrap<ModelsWorker>(worker);
  });
  afterAll(async () => {
    await models.close();
    worker.terminate();
  });

  test('a runtime that is not where it should be is named, and can be had later', async () => {
    await models.use({ ...source, runtime: here('/nowhere/') });
    await expect(models.embedder(MINILM)).rejects.toThrow(
      /^ONNX Runtime: could not get \S*\/nowhere\/ort-wasm-simd-threaded\.mjs \(\D*\d*\), \S*\/nowhere\/ort-wasm-simd-threaded\.wasm \(.*npx piramid copy-assets/,
    );
    await models.use(source);
  });

  test('a model that is not there is named with the place, and does no harm', async () => {
    await expect(models.embedder({ model: 'no-such-model' })).rejects.toThrow(
      /^model "no-such-model": a file was not found at .*shared\/models\/no-such-model\/: .*\/config\.json .*\/tokenizer\.json .*\/tokenizer_config\.json .*\/onnx\/model_quantized\.onnx .*npx piramid copy-assets/,
    );
  });

  test('a server that answers with its index page has no such model', async () => {
    await models.use({ ...source, path: here('/nowhere/') });
    await expect(models.embedder(MINILM)).rejects.toThrow(/"all-MiniLM-L6-v2": a file was not found at .*\/nowhere\//);
    await models.use(source);
  });

  test('MiniLM ranks by meaning, with unit vectors and byte progress', async () => {
    const { info, fingerprint, dimension, progress } = await models.embedder(MINILM);
    expect(info).toMatchObject({ name: 'all-MiniLM-L6-v2', task: 'embed', device: 'wasm' });
    expect(dimension).toBe(384);
    expect(fingerprint).toBe('all-MiniLM-L6-v2@main;dtype=q8;d=384;mean;q="";p=""');
    const weights = progress.filter(({ file }) => file === 'onnx/model_quantized.onnx').at(-1)!;
    expect([weights.loadedBytes, weights.totalBytes]).toEqual([22_972_370, 22_972_370]);
    expect(progress.some(({ file }) => file === 'ort-wasm-simd-threaded.wasm')).toBe(true);

    const documents = [
      'The army crossed the river at night and attacked the fort before the garrison woke, losing forty men.',
      'A kitten sleeps in the sun.',
      'Gold coins.',
      'To undo a commit, run git revert: it makes a new commit that takes the changes back.',
    ];
    const vectors = await models.embed(MINILM, documents, 'document');
    for (const vector of vectors) expect(Math.hypot(...vector!)).toBeCloseTo(1, 5);
    const questions = [
      'soldiers fighting',
      'small cats',
      'precious metal money',
      'take back my last change in version control',
    ];
    for (const [i, question] of (await models.embed(MINILM, questions, 'query')).entries()) {
      const scores = vectors.map((vector) => dot(vector!, question!));
      expect(scores.indexOf(Math.max(...scores)), questions[i]!).toBe(i);
    }
    const [alone] = await models.embed(MINILM, [documents[2]!], 'document');
    expect(alone, 'the same alone as among others').toEqual(vectors[2]);
  });

  // Second number of the vector, as transformers.js in Node gives it for the text alone.
  test.each([
    ['mean', -0.0463],
    ['cls', -0.0371],
    ['last', -0.0612],
  ] as const)('pooling "%s" is what it says, also beside a longer text', async (pooling, expected) => {
    const texts = [
      'The central bank raised interest rates.',
      'One that is a good deal longer, so that the first is padded. '.repeat(3),
    ];
    const [vector] = await models.embed({ ...MINILM, pooling }, texts, 'document');
    expect(vector![1]).toBeCloseTo(expected, 2);
  });

  test('a question goes before the rest of a batch', async () => {
    const documents = Array.from({ length: 40 }, (_, i) => `document number ${i} about something`);
    expect(await models.race(MINILM, documents, 'what?')).toEqual(['question', 'documents']);
  });

  test('bge knows its pooling and the prefix of its questions', async () => {
    const { fingerprint, dimension } = await models.embedder(BGE);
    expect(dimension).toBe(384);
    expect(fingerprint).toMatch(/;cls;q="Represent this sentence for searching relevant passages: ";p=""$/);
    const [asDocument] = await models.embed(BGE, ['gold coins'], 'document');
    const [asQuestion] = await models.embed(BGE, ['gold coins'], 'query');
    const [byHand] = await models.embed(
      BGE,
      ['Represent this sentence for searching relevant passages: gold coins'],
      'document',
    );
    expect(dot(asQuestion!, byHand!)).toBeCloseTo(1, 5);
    expect(dot(asQuestion!, asDocument!)).toBeLessThan(0.99);
  });

  test('the built-in model lives there too', async () => {
    await expect(models.embedder({ model: 'static-en' })).rejects.toThrow(/shared\/models\/static-en\//);
  });

  test('SmolLM2 answers piece by piece, the same each time, and stops at the signal', async () => {
    expect(await models.generator(LLM)).toMatchObject({ name: LLM, task: 'generate', device: 'wasm' });
    const prompt = 'What is the capital of France?';
    const { pieces, code } = await models.generate(LLM, prompt, 12);
    expect(code).toBe('done');
    expect(pieces.map(({ piece }) => piece).join('')).toContain('Paris');
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.at(-1)!.at - pieces[0]!.at).toBeGreaterThan(1);
    const stopped = await models.generate(LLM, prompt, 200, 2);
    expect(stopped.code).toBe('ABORTED');
    expect(stopped.pieces.map(({ piece }) => piece)).toEqual(pieces.slice(0, 2).map(({ piece }) => piece));
    const again = await models.generate(LLM, prompt, 4);
    expect(again.code).toBe('done');
    expect(again.pieces[0]!.piece).toBe(pieces[0]!.piece);
  });
});

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, x, k) => sum + x * b[k]!, 0);
}
