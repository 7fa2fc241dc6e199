// What a document costs on its way in: embedded alone, and ingested with everything (cut, hashed, embedded, words, durable), in turns.
import { deleteDatabase, open } from 'piramid';
import { chunk, ingest } from 'piramid/rag';
import { type Figure, median } from './statistics.ts';

declare global {
  /** Seconds that the page's own thread has worked since it began; of `run.mjs`. */
  function taskSeconds(): Promise<number>;
}

export interface Address {
  name: string;
  year: number;
  text: string;
}

/** On disk, `durability: 'strict'`, the built-in embedder, both in the same worker. */
export async function measureIngest(rounds: number): Promise<Figure[]> {
  const addresses: Address[] = await (await fetch('addresses.json')).json();
  const documents = addresses.map(({ name, year, text }, i) => ({
    id: `${year}-${i}`,
    title: `${name} ${year}`,
    text,
  }));
  const texts: string[] = [];
  for (const { text } of documents) for (const { text: passage } of await chunk(text)) texts.push(passage);
  const rates = { embed: [] as number[], ingest: [] as number[], ratio: [] as number[], page: [] as number[] };
  for (let round = 0; round < rounds; round++) {
    const name = `bench-ingest-${Math.random()}`;
    const db = await open(name, { models: { path: '/models/' } });
    const collection = await db.collection('documents', { embedder: 'static-en' });
    await collection.embed(texts.slice(0, 500));
    const start = performance.now();
    for (let from = 0; from < texts.length; from += 512) await collection.embed(texts.slice(from, from + 512));
    const middle = performance.now();
    const busy = await taskSeconds();
    const begin = performance.now();
    await ingest(collection, documents);
    const end = performance.now();
    rates.page.push(((await taskSeconds()) - busy) / ((end - begin) / 1000));
    rates.embed.push((texts.length / (middle - start)) * 1000);
    rates.ingest.push((texts.length / (end - begin)) * 1000);
    rates.ratio.push((middle - start) / (end - begin));
    await db.close();
    await deleteDatabase(name);
  }
  const figure = (name: string, values: number[], unit: string): Figure => ({
    name,
    value: median(values),
    unit,
    n: texts.length,
    d: 256,
  });
  return [
    figure('embed.passages_per_s', rates.embed, '1/s'),
    figure('ingest.passages_per_s', rates.ingest, '1/s'),
    figure('ingest.vs_embed', rates.ratio, 'ratio'),
    figure('ingest.page_busy', rates.page, 'ratio'),
  ];
}
