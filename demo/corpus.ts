// What comes with the page: the addresses, which fill an empty collection, and the project's own documents, which are added
// when asked for. Both are read as a stream, a line a document. The addresses go in a few at a time, so that neither typing
// nor searching waits. What is in is skipped, so that it can be stopped and called again.
import type { Collection } from 'piramid';
import { type DocumentInput, ingest } from 'piramid/rag';

export interface CorpusProgress {
  /** Documents dealt with, of all. */
  documents: number;
  of: number;
  passagesPerSecond: number;
  /** Absent until it can be estimated. */
  secondsLeft?: number;
}

/** What `corpus/index.json` says of the addresses. */
interface CorpusIndex {
  /** Of the file's content. */
  version: string;
  path: string;
  documents: number;
  characters: number;
}

/** The metadata field `source` of the project's own documents. */
const DOCS = 'Piramid docs';
const FOLDER = './corpus/';
const CACHE = 'piramid-demo-corpus';
/** The version that is in completely: then nothing is fetched, and what was deleted stays away. */
const DONE_KEY = 'piramid-demo-corpus';
/** Characters of documents that go in together, the first time and at most (about 512 passages). Each group may be twice the one before. */
const GROUP_FIRST = 20_000;
const GROUP_MOST = 560_000;

/** The addresses on their way from the server. */
let ahead: Promise<Addresses> | undefined;

interface Addresses {
  index: CorpusIndex;
  file: Response;
}

/** Whether all of some version has been put in before. */
export function isFilled(): boolean {
  return localStorage.getItem(DONE_KEY) !== null;
}

/** What comes with the page is not to be put in any more. */
export function setFilled(version: string): void {
  localStorage.setItem(DONE_KEY, version);
}

/** Asks the server for the addresses while the database still opens. */
export function loadAhead(): void {
  if (isFilled()) return;
  ahead = loadAddresses();
  ahead.catch(() => {}); // `fill` says it
}

export async function fill(
  passages: Collection,
  options: { onProgress: (progress: CorpusProgress) => void; signal: AbortSignal },
): Promise<void> {
  const { onProgress, signal } = options;
  const loading = ahead ?? loadAddresses(signal);
  ahead = undefined;
  const { index, file } = await loading;
  const start = performance.now();
  const done = { documents: 0, passages: 0, characters: 0, skipped: 0 };

  async function put(group: readonly DocumentInput[]): Promise<void> {
    let added = 0;
    const result = await ingest(passages, group, {
      signal,
      onProgress: (progress) => {
        added = progress.passages;
      },
    });
    if (result.failed[0]) throw result.failed[0].error;
    const size = group.reduce((total, { text }) => total + text.length, 0);
    done.documents += group.length;
    done.passages += added;
    done.characters += size;
    if (result.skipped.length === group.length) done.skipped += size;
    const seconds = (performance.now() - start) / 1000;
    // What was skipped took no time and says nothing of the rest.
    const rate = (done.characters - done.skipped) / seconds;
    onProgress({
      documents: done.documents,
      of: index.documents,
      passagesPerSecond: done.passages / seconds,
      ...(rate > 0 && { secondsLeft: Math.max(0, index.characters - done.characters) / rate }),
    });
  }

  let most = GROUP_FIRST;
  let group: DocumentInput[] = [];
  let size = 0;
  for await (const line of lines(file)) {
    const document = JSON.parse(line) as DocumentInput;
    group.push(document);
    size += document.text.length;
    if (size < most) continue;
    await put(group);
    [group, size, most] = [[], 0, Math.min(GROUP_MOST, 2 * most)];
  }
  if (group.length > 0) await put(group);
  performance.measure('piramid:fill', { start, detail: { documents: done.documents, passages: done.passages } });
  setFilled(index.version);
  await globalThis.caches?.delete(CACHE);
}

/** Whether the project's own documents are in. */
export async function hasDocs(passages: Collection): Promise<boolean> {
  return (await passages.count({ source: DOCS })) > 0;
}

export async function addDocs(passages: Collection): Promise<void> {
  const documents: DocumentInput[] = [];
  for await (const line of lines(await load('docs.jsonl'))) documents.push(JSON.parse(line) as DocumentInput);
  const { failed } = await ingest(passages, documents);
  if (failed[0]) throw failed[0].error;
}

export async function removeDocs(passages: Collection): Promise<void> {
  await passages.delete({ where: { source: DOCS } });
}

/** The addresses. Kept in Cache Storage until all of them are in: an earlier visit may have been cut off. */
async function loadAddresses(signal?: AbortSignal): Promise<Addresses> {
  const index = (await (await loadKept('index.json', signal)).json()) as CorpusIndex;
  return { index, file: await loadKept(index.path, signal) };
}

async function loadKept(path: string, signal?: AbortSignal): Promise<Response> {
  const cache = await globalThis.caches?.open(CACHE).catch(() => undefined);
  const kept = await cache?.match(FOLDER + path);
  if (kept) return kept;
  const response = await load(path, signal);
  cache?.put(FOLDER + path, response.clone()).catch(() => {}); // a stopped download is not kept
  return response;
}

async function load(path: string, signal?: AbortSignal): Promise<Response> {
  const response = await fetch(FOLDER + path, signal ? { signal } : {});
  if (!response.ok)
    throw new Error(`The documents of this page could not be loaded: the server answered ${response.status}.`);
  return response;
}

async function* lines(response: Response): AsyncGenerator<string> {
  let rest = '';
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + piece).split('\n');
    rest = parts.pop()!;
    yield* parts.filter((part) => part !== '');
  }
  if (rest !== '') yield rest;
}
