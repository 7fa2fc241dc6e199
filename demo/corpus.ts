// Fills an empty collection with the documents that come with the page: reads them as a stream, a line a document, and
// puts them in a few at a time, so that neither typing nor searching waits. What is in is skipped, so it can be stopped
// and called again. The file is kept in Cache Storage only until all of it is in.
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

/** What `corpus/index.json` says. */
interface CorpusIndex {
  /** Of all files' contents. */
  version: string;
  files: { path: string; documents: number; characters: number }[];
}

const FOLDER = './corpus/';
const CACHE = 'piramid-demo-corpus';
/** The version that is in completely: then nothing is fetched, and what was deleted stays away. */
const DONE_KEY = 'piramid-demo-corpus';
/** Characters of documents that go in together; about 128 passages. */
const GROUP_CHARACTERS = 140_000;

/** Whether all of some version has been put in before. */
export function isFilled(): boolean {
  return localStorage.getItem(DONE_KEY) !== null;
}

/** What comes with the page is not to be put in any more. */
export function setFilled(version: string): void {
  localStorage.setItem(DONE_KEY, version);
}

export async function fill(
  passages: Collection,
  options: { onProgress: (progress: CorpusProgress) => void; signal: AbortSignal },
): Promise<void> {
  const { onProgress, signal } = options;
  const index = (await (await load('index.json', signal)).json()) as CorpusIndex;
  const of = sum(index.files.map((file) => file.documents));
  const characters = sum(index.files.map((file) => file.characters));
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
    const size = sum(group.map(({ text }) => text.length));
    done.documents += group.length;
    done.passages += added;
    done.characters += size;
    if (result.skipped.length === group.length) done.skipped += size;
    const seconds = (performance.now() - start) / 1000;
    // What was skipped took no time and says nothing of the rest.
    const rate = (done.characters - done.skipped) / seconds;
    onProgress({
      documents: done.documents,
      of,
      passagesPerSecond: done.passages / seconds,
      ...(rate > 0 && { secondsLeft: Math.max(0, characters - done.characters) / rate }),
    });
  }

  for (const file of index.files) {
    let group: DocumentInput[] = [];
    let size = 0;
    for await (const line of lines(await load(file.path, signal))) {
      const document = JSON.parse(line) as DocumentInput;
      group.push(document);
      size += document.text.length;
      if (size < GROUP_CHARACTERS) continue;
      await put(group);
      [group, size] = [[], 0];
    }
    if (group.length > 0) await put(group);
  }
  performance.measure('piramid:fill', { start, detail: { documents: done.documents, passages: done.passages } });
  setFilled(index.version);
  await globalThis.caches?.delete(CACHE);
}

/** A file of the corpus, from the cache if an earlier visit was cut off. */
async function load(path: string, signal: AbortSignal): Promise<Response> {
  const url = FOLDER + path;
  const cache = await globalThis.caches?.open(CACHE).catch(() => undefined);
  const kept = await cache?.match(url);
  if (kept) return kept;
  const response = await fetch(url, { signal });
  if (!response.ok)
    throw new Error(`The documents of this page could not be loaded: the server answered ${response.status}.`);
  const copy = response.clone();
  cache?.put(url, copy).catch(() => {}); // a stopped download is not kept
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

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
