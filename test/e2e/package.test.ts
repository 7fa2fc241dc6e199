// The packed packages as projects use them: installed (unpacked, with links to what this repository has of the rest), served by Vite,
// webpack, plain files and no server at all. In each, the built-in embedder answers a query, and where this machine has models
// (../shared/models), one of transformers.js does, with nothing fetched from anywhere else.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Browser } from 'playwright';
import { build, createBuilder, createServer } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import webpack from 'webpack';
import { findModels, serve } from '../../tools/serve.mjs';
import { launch } from './chromium.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const models = findModels();
const MINILM = 'all-MiniLM-L6-v2';
const run = promisify(execFile);

let browser: Browser;
let folder: string;
let tarballs: string[];
/** With transformers.js and Vite beside them, and without. */
let everything: string;
let alone: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'piramid-package-'));
  [browser, tarballs] = await Promise.all([launch(), Promise.all([pack(root), pack(join(root, 'models/static-en'))])]);
  everything = await install('everything', ['@huggingface/transformers', 'vite']);
  alone = await install('alone', []);
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Packs a package as `npm publish` would, and says where. */
async function pack(from: string): Promise<string> {
  const { stdout } = await run('npm', ['pack', '--json', '--silent', '--pack-destination', folder], {
    cwd: from,
    shell: process.platform === 'win32',
  });
  return join(folder, JSON.parse(stdout.slice(stdout.indexOf('[')))[0].filename);
}

/** A folder with both packages installed, and `links` of this repository. */
async function install(name: string, links: readonly string[]): Promise<string> {
  const installed = join(folder, name, 'node_modules');
  for (const [i, name] of ['piramid', 'piramid-static-en'].entries()) {
    mkdirSync(join(installed, name), { recursive: true });
    await run('tar', ['-xzf', tarballs[i]!, '-C', join(installed, name), '--strip-components=1']);
  }
  for (const name of links) {
    mkdirSync(dirname(join(installed, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(installed, name), 'junction');
  }
  return installed;
}

/** A project with the packages in `modules`. */
function project(name: string, modules = everything): string {
  const app = join(folder, name);
  mkdirSync(app, { recursive: true });
  symlinkSync(modules, join(app, 'node_modules'), 'junction');
  writeFileSync(join(app, 'package.json'), '{ "name": "app", "private": true, "type": "module" }');
  return app;
}

/** The command, as `npx piramid` runs it. */
async function piramid(app: string, ...args: string[]): Promise<{ code: number; said: string }> {
  const { bin } = JSON.parse(readFileSync(join(app, 'node_modules/piramid/package.json'), 'utf8'));
  return run(process.execPath, [join(app, 'node_modules/piramid', bin.piramid), ...args], { cwd: app }).then(
    ({ stdout }) => ({ code: 0, said: stdout }),
    ({ code, stderr }) => ({ code, said: stderr }),
  );
}

const MODEL = models ? ['--model', join(models, MINILM)] : [];

/** `open` and `makeWorker` are there: what every way of serving must be able to do. */
const JOB = `async (assets) => {
  const texts = [
    { id: 'bakery', text: 'The bakery on the corner opens at six.' },
    { id: 'war', text: 'Soldiers crossed the river at night.' },
  ];
  const best = async (db, embedder) => {
    const notes = await db.collection(embedder, { embedder });
    await notes.upsert(texts);
    const [best] = await notes.query({ text: 'where can I buy bread', k: 1 });
    return best.id;
  };
  const answers = [];
  const db = await open('plain', { storage: 'memory', assets });
  answers.push(await best(db, 'static-en'));
  const russian = await db.collection('russian', { language: 'ru' });
  await russian.upsert({ id: 'book', text: 'Я читаю книгу' });
  answers.push((await russian.query({ keywords: 'книги' })).length);
  answers.push((await new Response(db.export()).arrayBuffer()).byteLength > 1000);
  await db.close();
  const gpu = await open('gpu', { storage: 'memory', assets, device: 'webgpu' });
  answers.push(gpu.device);
  await gpu.close();
  const rag = await open('rag', { storage: 'memory', assets, models: { remote: false }, worker: makeWorker });
  answers.push(await best(rag, 'static-en'));
  const german = await rag.collection('german', { language: 'de' });
  await german.upsert({ id: 'book', text: 'Ich lese Bücher' });
  answers.push((await german.query({ keywords: 'Buch' })).length);
  ${models ? `answers.push(await best(rag, '${MINILM}'));` : ''}
  await rag.close();
  return answers;
}`;
const EXPECTED = ['bakery', 1, true, 'webgpu', 'bakery', 1, ...(models ? ['bakery'] : [])];

/** What needs a file of code each: the bundler has taken them along. */
const FROM_FILES = `async () => {
  const db = await open('files', { storage: 'memory', device: 'webgpu' });
  const notes = await db.collection('notes', { language: 'ru' });
  await notes.upsert({ id: 'book', text: 'Я читаю книгу' });
  const found = (await notes.query({ keywords: 'книги' })).length;
  const { byteLength } = await new Response(db.export()).arrayBuffer();
  await db.close();
  return [db.device, found, byteLength > 300];
}`;

/** Runs `job(argument)` on the page at `url`, once that has it. What it asks of other origins is a problem. */
async function runJob(url: string, argument?: string, call = `job(${JSON.stringify(argument)})`): Promise<unknown> {
  const context = await browser.newContext();
  const page = await context.newPage();
  const problems: string[] = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  context.on('request', (request) => {
    const origin = new URL(request.url()).origin;
    if (/^https?:/.test(request.url()) && origin !== new URL(url).origin) problems.push(`asked ${request.url()}`);
  });
  await page.goto(url);
  await page.waitForFunction('globalThis.job', null, { timeout: 30_000 }).catch(() => {
    throw new Error(`the page did not start: ${problems.join('; ')}`);
  });
  const result = await page.evaluate(call).catch(String);
  await context.close();
  return problems.length > 0 ? { result, problems } : result;
}

const PAGE = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">';
const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');
const manifest = (dir: string): { path: string; bytes: number; sha256: string }[] =>
  JSON.parse(readFileSync(join(dir, 'piramid-assets.json'), 'utf8')).files;

describe.concurrent('npx piramid copy-assets', () => {
  test('copies what a page loads on demand, proves it by hashes, and writes nothing twice', async () => {
    const app = project('copy');
    const dir = join(app, 'public/piramid');
    const first = await piramid(app, 'copy-assets', 'public/piramid');
    expect(first).toMatchObject({
      code: 0,
      said: expect.stringMatching(/onnxruntime-web .*\n.*9 files, 2\d\.\d MB: 9 written/),
    });
    const files = manifest(dir);
    expect(files.map(({ path }) => path)).toEqual([
      'models/static-en/raw/scales.f32',
      'models/static-en/raw/table.u4',
      'models/static-en/tokenizer.json',
      'onnx/ort-wasm-simd-threaded.mjs',
      'onnx/ort-wasm-simd-threaded.wasm',
      'onnx/transformers.min.js',
      'stemmers.js',
      'transfer.js',
      'webgpu.js',
    ]);
    for (const file of files) {
      expect(sha256(join(dir, file.path))).toBe(file.sha256);
      expect(statSync(join(dir, file.path)).size).toBe(file.bytes);
    }
    const times = () => files.map(({ path }) => statSync(join(dir, path)).mtimeMs);
    const before = times();
    expect((await piramid(app, 'copy-assets', 'public/piramid')).said).toContain('0 written, 9 as they were');
    expect(times()).toEqual(before);
    expect(readdirSync(dir, { recursive: true }).filter((name) => String(name).endsWith('.tmp'))).toEqual([]);

    // Of an older release, by its list: replaced. Of another hand: refused, with nothing written.
    writeFileSync(join(dir, 'stemmers.js'), 'old');
    const old = files.map((file) =>
      file.path === 'stemmers.js' ? { ...file, bytes: 3, sha256: sha256(join(dir, 'stemmers.js')) } : file,
    );
    writeFileSync(join(dir, 'piramid-assets.json'), JSON.stringify({ piramid: '0.0.1', files: old }));
    expect((await piramid(app, 'copy-assets', dir)).said).toContain('1 written, 8 as they were');
    writeFileSync(join(dir, 'stemmers.js'), 'mine');
    rmSync(join(dir, 'models'), { recursive: true });
    expect(await piramid(app, 'copy-assets', dir)).toEqual({
      code: 1,
      said: expect.stringMatching(/not copied from here, or were changed since: stemmers\.js\. Delete them/),
    });
    expect(existsSync(join(dir, 'models'))).toBe(false);
    expect(readFileSync(join(dir, 'stemmers.js'), 'utf8')).toBe('mine');
  });

  test('copies models by their folders, says what is no model, and leaves what was there', async () => {
    const app = project('models', alone);
    const model = join(app, 'my-model');
    mkdirSync(join(model, 'onnx'), { recursive: true });
    writeFileSync(join(model, 'config.json'), '{}');
    const without = ['--no-static-en', '--no-runtime'];
    expect(await piramid(app, 'copy-assets', 'out', '--model', 'my-model', ...without)).toEqual({
      code: 1,
      said: expect.stringMatching(
        /my-model is no model .* lacks tokenizer\.json, tokenizer_config\.json, onnx\/\*\.onnx/,
      ),
    });
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'onnx/model_quantized.onnx', '.hidden'])
      writeFileSync(join(model, name), name);
    expect(await piramid(app, 'copy-assets', 'out', '--model', 'owner/name=my-model', ...without)).toMatchObject({
      code: 0,
    });
    expect(await piramid(app, 'copy-assets', 'out', ...without)).toMatchObject({
      code: 0,
      said: expect.stringContaining('left from before: models/owner/name/config.json'),
    });
    expect(manifest(join(app, 'out')).map(({ path }) => path)).toEqual([
      'models/owner/name/config.json',
      'models/owner/name/onnx/model_quantized.onnx',
      'models/owner/name/tokenizer.json',
      'models/owner/name/tokenizer_config.json',
      'stemmers.js',
      'transfer.js',
      'webgpu.js',
    ]);

    const refused: [RegExp, ...string[]][] = [
      [/@huggingface\/transformers, which is not installed/, 'out', '--model', 'my-model'],
      [/there is no folder .*nowhere/, 'out', '--model', 'nowhere'],
      [/cannot be a model's name/, 'out', '--model', '..=my-model'],
      [/two models are called "static-en"/, 'out', '--model', 'static-en=my-model'],
      [/is a file, not a folder/, 'package.json'],
    ];
    for (const [message, ...args] of refused)
      expect(await piramid(app, 'copy-assets', ...args)).toEqual({ code: 1, said: expect.stringMatching(message) });

    const broken = join(folder, 'broken/node_modules');
    cpSync(alone, broken, { recursive: true });
    const unlucky = project('unlucky', broken);
    rmSync(join(broken, 'piramid-static-en/raw/scales.f32'));
    expect(await piramid(unlucky, 'copy-assets', 'out')).toEqual({
      code: 1,
      said: expect.stringMatching(/missing in .*scales/),
    });
    writeFileSync(join(broken, 'piramid-static-en/raw/scales.f32'), 'of another version');
    expect(await piramid(unlucky, 'copy-assets', 'out')).toEqual({
      code: 1,
      said: expect.stringMatching(/scales\.f32 is not the file that piramid \S+ expects/),
    });
    rmSync(join(broken, 'piramid-static-en'), { recursive: true });
    expect(await piramid(unlucky, 'copy-assets', 'out')).toEqual({
      code: 1,
      said: expect.stringContaining('npm install piramid-static-en'),
    });
    expect(existsSync(join(unlucky, 'out'))).toBe(false);
  });

  test('refuses what it does not understand, and says how it is used', async () => {
    const app = project('usage', alone);
    for (const args of [[], ['copy'], ['copy-assets'], ['copy-assets', 'a', 'b'], ['copy-assets', 'a', '--modle', 'b']])
      expect(await piramid(app, ...args)).toEqual({
        code: 2,
        said: expect.stringContaining('Usage: piramid copy-assets DIR'),
      });
    expect(await piramid(app, '--help')).toMatchObject({ code: 0, said: expect.stringContaining('Usage:') });
    expect(readdirSync(app).sort()).toEqual(['node_modules', 'package.json']);
  });
});

describe.concurrent('in Vite', () => {
  const MAIN = `
    import { open } from 'piramid';
    import RagWorker from 'piramid/rag-worker?worker';
    const makeWorker = () => new RagWorker();
    globalThis.job = ${JOB};
    globalThis.failure = async (embedder) => {
      const db = await open('x', { storage: 'memory', assets: '/nowhere/', models: { remote: false }, worker: makeWorker });
      return db.collection('x', { embedder }).then(() => 'opened', ({ code, message }) => code + ': ' + message);
    };`;

  /** A project with the plugin, and its configuration for Vite's functions. */
  async function viteProject(name: string, base: string) {
    const app = project(name);
    writeFileSync(join(app, 'index.html'), `${PAGE}<script type="module" src="./main.js"></script>`);
    writeFileSync(join(app, 'main.js'), MAIN);
    const plugin = pathToFileURL(join(app, 'node_modules/piramid/dist/vite.js')).href;
    const { piramidAssets } = await import(/* @vite-ignore */ plugin);
    const plugins = [piramidAssets({ models: models ? [join(models, MINILM)] : [] })];
    return { app, config: { configFile: false, root: app, base, logLevel: 'error', plugins } as const };
  }

  test('in development, below a base', async () => {
    const { app, config } = await viteProject('vite-dev', '/app/');
    const server = await createServer({ ...config, server: { port: 0, fs: { allow: [app, root] }, watch: null } });
    await server.listen();
    const url = server.resolvedUrls!.local[0]!;
    expect(await runJob(url, '/app/piramid/')).toEqual(EXPECTED);
    const { status } = await fetch(`${url}piramid/nothing.js`);
    expect(status).toBe(404);
    const { files } = (await (await fetch(`${url}piramid/piramid-assets.json`)).json()) as { files: unknown[] };
    expect(files).toHaveLength(models ? 13 : 9);
    await server.close();
  });

  /** A project with the plugin and nothing to load in a browser: `piramid` is not imported. */
  async function smallProject(name: string) {
    const { app, config } = await viteProject(name, '/');
    writeFileSync(join(app, 'main.js'), 'document.title = "page";');
    writeFileSync(join(app, 'server.js'), 'export default 1;');
    const plugin = pathToFileURL(join(app, 'node_modules/piramid/dist/vite.js')).href;
    const { piramidAssets } = await import(/* @vite-ignore */ plugin);
    const small = (more = {}) => piramidAssets({ runtime: false, ...more });
    return { app, small, config: { ...config, plugins: [small()] } };
  }

  test.each([{}, { sharedConfigBuild: true }])(
    'built with several environments, into the client’s: %j',
    async (shared) => {
      const { app, config } = await smallProject(`vite-builder-${Object.keys(shared).length}`);
      const input = join(app, 'server.js');
      const builder = await createBuilder({
        ...config,
        builder: shared,
        environments: {
          client: { build: { outDir: 'out/client' } },
          ssr: { build: { outDir: 'out/server', rolldownOptions: { input } } },
        },
      });
      await builder.buildApp();
      expect(existsSync(join(app, 'out/server/server.js'))).toBe(true);
      expect(existsSync(join(app, 'out/server/piramid'))).toBe(false);
      expect(manifest(join(app, 'out/client/piramid'))).toHaveLength(6);
    },
  );

  test('in development, answers requests that are no URL, and refuses a folder that is the whole site', async () => {
    const { app, config, small } = await smallProject('vite-requests');
    for (const folder of ['.', './', '/./', 'a/./b', '..', 'a/../b', ''])
      expect(() => small({ folder })).toThrow(/is no folder below the site's base/);
    const server = await createServer({ ...config, server: { port: 0, fs: { allow: [app, root] }, watch: null } });
    await server.listen();
    const { port, hostname } = new URL(server.resolvedUrls!.local[0]!);
    // `fetch` would mend these.
    const statusOf = (path: string) =>
      new Promise<number>((resolve, reject) => {
        const socket = connect(Number(port), hostname);
        socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
        socket.once('data', (data) => resolve(Number(String(data).split(' ')[1])));
        socket.once('error', reject);
      });
    for (const path of ['//', '//x:y:z/']) expect([path, await statusOf(path)]).not.toEqual([path, 500]);
    for (const path of ['%E0%A4%A', 'stemmers.js.map', '../package.json', '%2e%2e/package.json', '..%2fpackage.json'])
      expect([path, await statusOf(`/piramid/${path}`)]).toEqual([path, 404]);
    for (const path of ['stemmers.js', 'stemmers.js?v=1', 'piramid-assets.json'])
      expect([path, await statusOf(`/piramid/${path}`)]).toEqual([path, 200]);
    expect(await (await fetch(`${server.resolvedUrls!.local[0]}piramid/stemmers.js`)).text()).not.toContain(
      'sourceMappingURL',
    );
    await server.close();
  });

  test('built, and where files are missing, all are named at once, and what to do', async () => {
    const { app, config } = await viteProject('vite-build', '/');
    await build(config);
    const site = await serve({ mounts: { '/': join(app, 'dist') } });
    expect(await runJob(site.url, '/piramid/')).toEqual(EXPECTED);
    expect(manifest(join(app, 'dist/piramid'))).toHaveLength(models ? 13 : 9);
    const failures = `(async () => [await failure('static-en'), await failure('${MINILM}')])()`;
    expect(await runJob(site.url, undefined, failures)).toEqual([
      expect.stringMatching(
        /^MODEL_FAILED: model "static-en": could not get \S+table\.u4 \(404\), \S+scales\.f32 \(404\), \S+tokenizer\.json \(404\); copy them with `npx piramid copy-assets/,
      ),
      expect.stringMatching(
        /^MODEL_FAILED: ONNX Runtime: could not get \S+\/nowhere\/onnx\/ort-wasm-simd-threaded\.mjs \(404\), \S+\.wasm \(404\); copy them with `npx piramid copy-assets/,
      ),
    ]);
    await site.close();
  });

  test.skipIf(!models)('the README has it right', async () => {
    const readme = readFileSync(join(root, 'README.md'), 'utf8');
    const example = (name: string) => readme.split(`<!-- example: ${name} -->\n\`\`\`ts\n`)[1]!.split('```')[0]!;
    const app = project('readme');
    // As printed, but for where the models come from: no hub is reached here.
    const names = [
      `Xenova/all-MiniLM-L6-v2=${join(models!, MINILM)}`,
      `HuggingFaceTB/SmolLM2-360M-Instruct=${join(models!, 'smollm2-135m-instruct')}`,
    ];
    const plugin = `piramidAssets({ models: ${JSON.stringify(names)} })`;
    writeFileSync(join(app, 'vite.config.ts'), example('vite.config').replace('piramidAssets()', plugin));
    writeFileSync(
      join(app, 'index.html'),
      `${PAGE}<script>said = ''; console.log = (piece) => { said += piece };</script><script type="module" src="./main.ts"></script>`,
    );
    writeFileSync(join(app, 'main.ts'), `${example('transformers')}\nObject.assign(globalThis, { job: () => said });`);
    const server = await createServer({
      root: app,
      logLevel: 'error',
      server: { port: 0, fs: { allow: [app, root] }, watch: null },
    });
    await server.listen();
    expect(await runJob(server.resolvedUrls!.local[0]!)).toMatch(/Pequod/);
    await server.close();
  });
});

test.concurrent('in webpack, with copied files', async () => {
  const app = project('webpack');
  writeFileSync(
    join(app, 'main.js'),
    `import { open } from 'piramid';
     const makeWorker = () => new Worker(new URL('piramid/rag-worker', import.meta.url), { type: 'module' });
     globalThis.job = ${JOB};
     globalThis.files = ${FROM_FILES};`,
  );
  const config: webpack.Configuration = {
    mode: 'production',
    context: app,
    entry: './main.js',
    output: { path: join(app, 'dist') },
    performance: { hints: false },
    optimization: { minimize: false },
  };
  const [stats] = await Promise.all([
    new Promise<webpack.Stats>((resolve, reject) => {
      webpack(config, (error, stats) => (stats ? resolve(stats) : reject(error)));
    }),
    piramid(app, 'copy-assets', 'dist/piramid', ...MODEL),
  ]);
  expect(stats.toString({ all: false, errors: true, warnings: true })).toBe('');
  writeFileSync(join(app, 'dist/index.html'), `${PAGE}<script src="main.js"></script>`);
  const site = await serve({ mounts: { '/': join(app, 'dist') } });
  expect(await runJob(site.url, '/piramid/')).toEqual(EXPECTED);
  expect(await runJob(site.url, undefined, 'files()')).toEqual(['webgpu', 1, true]);
  await site.close();
});

test.concurrent('as plain files, with copied files and no bundler', async () => {
  const app = project('plain');
  await piramid(app, 'copy-assets', 'piramid', ...MODEL);
  cpSync(join(app, 'node_modules/piramid/dist'), join(app, 'lib'), { recursive: true });
  rmSync(join(app, 'node_modules'), { recursive: true });
  writeFileSync(
    join(app, 'index.html'),
    `${PAGE}<script type="module">
      import { open } from '/lib/piramid.js';
      const makeWorker = () => new Worker('/lib/rag-worker.js', { type: 'module' });
      globalThis.job = ${JOB};
    </script>`,
  );
  const site = await serve({ mounts: { '/': app } });
  expect(await runJob(site.url, '/piramid/')).toEqual(EXPECTED);
  await site.close();
});

describe.concurrent('the built-in embedder as bytes', () => {
  const FROM_BYTES = `async (bytes) => {
    const db = await open('bytes', { models: { bytes } });
    const notes = await db.collection('notes', { embedder: 'static-en' });
    await notes.upsert([{ id: 'bakery', text: 'The bakery on the corner opens at six.' }, { id: 'war', text: 'Soldiers crossed the river.' }]);
    const [best] = await notes.query({ text: 'where can I buy bread', k: 1 });
    await db.close();
    return best.id;
  }`;

  test('works on file:// with two script tags', async () => {
    const app = project('file', alone);
    const [library, model] = ['piramid/dist/piramid.iife.js', 'piramid-static-en/model.js'];
    writeFileSync(
      join(app, 'index.html'),
      `<!doctype html><script src="node_modules/${library}"></script><script src="node_modules/${model}"></script>
       <script>const { open } = piramid; globalThis.job = () => (${FROM_BYTES})(piramidStaticEn);</script>`,
    );
    expect(await runJob(pathToFileURL(join(app, 'index.html')).href)).toBe('bakery');
  });

  test('is an import in a bundler, and nothing is copied', async () => {
    const app = project('bytes', alone);
    writeFileSync(join(app, 'index.html'), `${PAGE}<script type="module" src="./main.js"></script>`);
    writeFileSync(
      join(app, 'main.js'),
      `import { open } from 'piramid';
       globalThis.job = async () => (${FROM_BYTES})((await import('piramid-static-en')).default);
       globalThis.files = ${FROM_FILES};`,
    );
    const config = { configFile: false, root: app, logLevel: 'error' } as const;
    await build({ ...config, build: { chunkSizeWarningLimit: 10_000 } });
    const site = await serve({ mounts: { '/': join(app, 'dist') } });
    const server = await createServer({ ...config, server: { port: 0, fs: { allow: [folder] }, watch: null } });
    await server.listen();
    for (const url of [site.url, server.resolvedUrls!.local[0]!]) {
      expect(await runJob(url)).toBe('bakery');
      expect(await runJob(url, undefined, 'files()')).toEqual(['webgpu', 1, true]);
    }
    await Promise.all([site.close(), server.close()]);
  });
});
