// The files that a site serves for Piramid, in the one layout that `assets` of `open` expects: models/NAME/..., onnx/, and the
// library's own code.
// Finds them among installed packages and copies them into a folder. Runs in Node: the command and the Vite plugin share it.
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type PinnedFile,
  RUNTIME_MODULE,
  RUNTIME_WASM,
  STATIC_MODEL,
  STATIC_SCALES,
  STATIC_TABLE,
  STATIC_TOKENIZER,
  TRANSFORMERS_MODULE,
} from '../models/model-files.ts';
import { ON_DEMAND } from '../on-demand.ts';

/** Lists what was copied, in the folder itself: its files with sizes and hashes. */
export const MANIFEST = 'piramid-assets.json';

/** How deep a model's folder is looked through. Its files lie in it and in onnx/; a link may lead around in a circle. */
const MODEL_DEPTH_MAX = 4;
/** A name that is both a folder and a part of a URL, with or without an owner in front. */
const MODEL_NAME = /^[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)?$/;

/** What the user has to change; any other error is not the user's. */
export class AssetsError extends Error {}

/** Which files a site serves. */
export interface AssetsRequest {
  /** The project's folder: its packages are used, and folders of models are relative to it. */
  root: string;
  /** Models of transformers.js: `FOLDER`, whose last part is the model's name, or `NAME=FOLDER`. */
  models: readonly string[];
  /** ONNX Runtime, where transformers.js is installed. */
  runtime: boolean;
  /** The built-in embedder. */
  staticEn: boolean;
}

/** A file to be served. */
export interface Asset {
  /** In the folder that is served, with slashes. */
  path: string;
  /** Where it lies now. */
  file: string;
  /** What is known of it beforehand. */
  pinned?: PinnedFile;
}

export interface Assets {
  files: Asset[];
  /** What they are, with versions, for people. */
  parts: string[];
}

/** Finds everything that was asked for. Throws `AssetsError` with what to install. */
export function findAssets({ root, models, runtime, staticEn }: AssetsRequest): Assets {
  const here = dirname(fileURLToPath(import.meta.url));
  const code = Object.keys(ON_DEMAND);
  const files: Asset[] = code.map((path) => ({ path, file: join(here, path) }));
  const parts = [`${code.join(', ')} (piramid ${PIRAMID_RELEASE})`];

  if (staticEn) {
    const folder = packageFolder('piramid-static-en/package.json', root);
    if (!folder)
      throw new AssetsError(
        'the package piramid-static-en, the built-in embedder, is not installed: `npm install piramid-static-en`; or leave it out (--no-static-en, of the Vite plugin staticEn: false)',
      );
    for (const pinned of [STATIC_TABLE, STATIC_SCALES, STATIC_TOKENIZER])
      files.push({ path: `models/${STATIC_MODEL}/${pinned.path}`, file: join(folder, pinned.path), pinned });
    parts.push(`models/${STATIC_MODEL} (piramid-static-en ${versionOf(folder)})`);
  }

  const names = new Set([STATIC_MODEL]);
  for (const given of models) {
    const { name, folder } = readModel(given, root);
    if (names.has(name)) throw new AssetsError(`two models are called "${name}": give one another name, NAME=FOLDER`);
    names.add(name);
    for (const path of modelFiles(folder, given))
      files.push({ path: `models/${name}/${path}`, file: join(folder, path) });
    parts.push(`models/${name} (${given.slice(given.indexOf('=') + 1)})`);
  }

  const transformers = runtime ? resolveFrom('@huggingface/transformers', root) : undefined;
  if (transformers) {
    // Its own: the two are of one build, and another version fails when a model starts.
    const entry = createRequire(transformers).resolve('onnxruntime-web');
    const folder = folderOf(entry, 'onnxruntime-web');
    for (const name of [RUNTIME_MODULE, RUNTIME_WASM])
      files.push({ path: `onnx/${name}`, file: join(folder, 'dist', name) });
    files.push({ path: `onnx/${TRANSFORMERS_MODULE}`, file: join(dirname(transformers), TRANSFORMERS_MODULE) });
    parts.push(`onnx (onnxruntime-web ${versionOf(folder)}, of @huggingface/transformers)`);
  } else if (models.length > 0 && runtime) {
    throw new AssetsError(
      'a model of transformers.js needs the package @huggingface/transformers, which is not installed: `npm install @huggingface/transformers`',
    );
  }

  const missing = files.filter(({ file }) => !existsSync(file)).map(({ file }) => file);
  if (missing.length > 0)
    throw new AssetsError(`missing in installed packages: ${missing.join(', ')}; install them again`);
  return { files, parts };
}

/** What a copying did. Paths are in the folder, with slashes. */
export interface Copied {
  /** Of all assets. */
  bytes: number;
  written: string[];
  /** From earlier copyings, and not asked for now. They stay. */
  left: string[];
}

interface ManifestFile {
  path: string;
  bytes: number;
  sha256: string;
}

/**
 * Makes `folder` hold `assets` and a manifest. Each file is written beside its place, read again, compared by its hash and then moved, so
 * that nobody finds half of one. What is there already is left alone. A file that another hand has put there or has changed is refused
 * (`AssetsError`), before anything is written. Deletes nothing but half copies of its own, left by a copying that was cut off.
 */
export async function copyAssets(folder: string, assets: readonly Asset[]): Promise<Copied> {
  if (existsSync(folder) && !statSync(folder).isDirectory()) throw new AssetsError(`${folder} is a file, not a folder`);
  const before = readManifest(folder);
  const isKnown = (path: string, sha256: string) =>
    before.some((known) => known.path === path && known.sha256 === sha256);
  const wanted: (ManifestFile & { file: string; isThere: boolean })[] = [];
  const foreign: string[] = [];
  for (const { path, file, pinned } of assets) {
    const hash = await hashOf(file);
    if (pinned && (hash.sha256 !== pinned.sha256 || hash.bytes !== pinned.bytes))
      throw new AssetsError(
        `${file} is not the file that piramid ${PIRAMID_RELEASE} expects (SHA-256 ${pinned.sha256}, found ${hash.sha256}): install the version of piramid-static-en that goes with it`,
      );
    const there = existsSync(join(folder, path)) ? await hashOf(join(folder, path)) : null;
    const isThere = there?.sha256 === hash.sha256;
    if (there && !isThere && !isKnown(path, there.sha256)) foreign.push(path);
    wanted.push({ path, file, ...hash, isThere });
  }
  if (foreign.length > 0)
    throw new AssetsError(
      `${folder} has files of these names that were not copied from here, or were changed since: ${foreign.join(', ')}. Delete them, or take another folder`,
    );

  removeHalfCopies(folder, [MANIFEST, ...before.map(({ path }) => path), ...wanted.map(({ path }) => path)]);
  // Lists old and new versions while both may be there: if this is cut off, the next copying must know them as ours.
  if (wanted.some(({ isThere }) => !isThere))
    await writeManifest(folder, [...before, ...wanted.filter(({ path, sha256 }) => !isKnown(path, sha256))]);
  const written: string[] = [];
  for (const { path, file, sha256, isThere } of wanted) {
    if (isThere) continue;
    await place(join(folder, path), sha256, (target) => copyFile(file, target));
    written.push(path);
  }
  const paths = new Set(wanted.map(({ path }) => path));
  const left = before.filter(({ path }) => !paths.has(path) && existsSync(join(folder, path)));
  await writeManifest(folder, [...wanted, ...left]);
  return {
    bytes: wanted.reduce((sum, { bytes }) => sum + bytes, 0),
    written,
    left: [...new Set(left.map(({ path }) => path))],
  };
}

/** The manifest of `assets` where they lie, for a server that copies nothing. */
export async function manifestOf(assets: readonly Asset[]): Promise<string> {
  const files: ManifestFile[] = [];
  for (const { path, file } of assets) files.push({ path, ...(await hashOf(file)) });
  return manifestText(files);
}

// ---- finding

/** `given` as a name and a folder. */
function readModel(given: string, root: string): { name: string; folder: string } {
  const [, before, after] = /^([^=]*)=(.*)$/s.exec(given) ?? [];
  const folder = resolve(root, after ?? given);
  const name = before ?? basename(folder);
  if (!MODEL_NAME.test(name))
    throw new AssetsError(
      `"${name}" cannot be a model's name (letters, digits, - . _, and an owner in front: owner/model); give NAME=FOLDER`,
    );
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    throw new AssetsError(`model "${given}": there is no folder ${folder}; models are given as FOLDER or NAME=FOLDER`);
  return { name, folder };
}

/** The paths of a model's files. Hidden ones are not part of it. A link that leads out of the folder is refused: a site would publish it. */
export function modelFiles(folder: string, given: string): string[] {
  const home = realpathSync(folder);
  // In the cache of the Hugging Face hub, each file is a link into the model's own `blobs`.
  const [, cache] = /^(.*[\\/]models--[^\\/]+)[\\/]snapshots[\\/]/.exec(home) ?? [];
  const isOwn = (real: string) => isWithin(home, real) || (cache !== undefined && isWithin(join(cache, 'blobs'), real));
  const strangers: string[] = [];
  const list = (below: string, depth: number): string[] =>
    readdirSync(join(folder, below)).flatMap((name) => {
      if (name.startsWith('.')) return [];
      const path = below + name;
      const found = statSync(join(folder, path), { throwIfNoEntry: false });
      if (!found) return [];
      const real = realpathSync(join(folder, path));
      if (!isOwn(real)) {
        strangers.push(`${path} -> ${real}`);
        return [];
      }
      if (found.isDirectory()) return depth < MODEL_DEPTH_MAX ? list(`${path}/`, depth + 1) : [];
      return found.isFile() ? [path] : [];
    });
  const paths = list('', 1).sort();
  if (strangers.length > 0)
    throw new AssetsError(
      `model "${given}": links that lead out of ${folder}, or to hidden files, are not published: ${strangers.join(', ')}. Delete them, or copy the files`,
    );
  const missing = ['config.json', 'tokenizer.json', 'tokenizer_config.json'].filter((path) => !paths.includes(path));
  if (!paths.some((path) => /^onnx\/.*\.onnx$/.test(path))) missing.push('onnx/*.onnx');
  if (missing.length > 0)
    throw new AssetsError(`model "${given}": ${folder} is no model of transformers.js, it lacks ${missing.join(', ')}`);
  return paths;
}

/** Whether `path` is `folder` or below it, and not hidden there. Both are real paths. */
function isWithin(folder: string, path: string): boolean {
  const below = relative(folder, path);
  return !isAbsolute(below) && !below.split(sep).some((part) => part.startsWith('.'));
}

/** Seen from the project, or else from this package, which `npx` may have put beside the others. */
function resolveFrom(specifier: string, root: string): string | undefined {
  for (const from of [join(root, 'package.json'), import.meta.url]) {
    try {
      return createRequire(from).resolve(specifier);
    } catch {}
  }
  return undefined;
}

function packageFolder(manifest: string, root: string): string | undefined {
  const file = resolveFrom(manifest, root);
  return file && dirname(file);
}

/** The folder of the package `name` that `file` is in: not every package lets its package.json be resolved. */
function folderOf(file: string, name: string): string {
  for (let folder = dirname(file); folder !== dirname(folder); folder = dirname(folder)) {
    const manifest = join(folder, 'package.json');
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).name === name) return folder;
  }
  throw new AssetsError(`${file} is in no package called ${name}`);
}

function versionOf(folder: string): string {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
}

// ---- copying

async function hashOf(file: string): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return { bytes: (await stat(file)).size, sha256: hash.digest('hex') };
}

async function writeManifest(folder: string, files: readonly ManifestFile[]): Promise<void> {
  const text = manifestText(files);
  const file = join(folder, MANIFEST);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
  await place(file, createHash('sha256').update(text).digest('hex'), (target) => writeFile(target, text));
}

/** Deletes what `place` of a process that has ended left beside `paths`. */
function removeHalfCopies(folder: string, paths: readonly string[]): void {
  const ours = new Set(paths.map((path) => join(folder, path)));
  for (const dir of new Set([...ours].map((file) => dirname(file)))) {
    for (const name of statSync(dir, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(dir) : []) {
      const [, target, id] = /^(.+)\.(\d+)\.tmp$/.exec(name) ?? [];
      if (!target || ours.has(join(dir, name)) || !ours.has(join(dir, target)) || isRunning(Number(id))) continue;
      rmSync(join(dir, name), { force: true });
    }
  }
}

function isRunning(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch (error) {
    // Another user's process may not be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Has `write` make a file, which takes the place `target` if it is what it should be. */
async function place(target: string, sha256: string, write: (file: string) => Promise<void>): Promise<void> {
  const beside = `${target}.${process.pid}.tmp`;
  await mkdir(dirname(target), { recursive: true });
  try {
    await write(beside);
    if ((await hashOf(beside)).sha256 !== sha256)
      throw new AssetsError(`${target} was not written as it should be: is the disk sound?`);
    await rename(beside, target);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}

function readManifest(folder: string): ManifestFile[] {
  const file = join(folder, MANIFEST);
  if (!existsSync(file)) return [];
  try {
    const { files } = JSON.parse(readFileSync(file, 'utf8'));
    const isOne = ({ path, sha256 }: ManifestFile) =>
      typeof path === 'string' && typeof sha256 === 'string' && !path.split(/[\\/]/).includes('..');
    if (files.every(isOne)) return files;
  } catch {}
  throw new AssetsError(`${file} is no list of copied files; delete it, or take another folder`);
}

/** Without dates or places, so that the same files make the same text. */
function manifestText(files: readonly ManifestFile[]): string {
  const list = files
    .map(({ path, bytes, sha256 }) => ({ path, bytes, sha256 }))
    .sort((a, b) => (a.path < b.path || (a.path === b.path && a.sha256 < b.sha256) ? -1 : 1));
  return `${JSON.stringify({ piramid: PIRAMID_RELEASE, files: list }, null, 2)}\n`;
}
