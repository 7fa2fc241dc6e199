// The library in Node, as a page has it: the public API, comlink, the real engine on the in-memory backend and the built-in
// embedder. Only the worker is no thread of its own: its end of the channel is in this one.
import { readFile } from 'node:fs/promises';
import { expose } from 'comlink';
import { type Database, open } from 'piramid';
import { createStaticLoader } from '../src/models/loader.ts';
import { installErrorTransfer } from '../src/protocol.ts';
import { createTab } from '../src/worker/tabs/tab.ts';

const MODELS = 'https://eval.test/models/';

/** A database in memory. Of the network there is the built-in model alone. */
export async function openDatabase(name: string): Promise<Database> {
  globalThis.fetch = async (url) => {
    const path = String(url);
    if (!path.startsWith(MODELS)) throw new TypeError(`offline: ${path}`);
    return new Response(await readFile(`models/${path.slice(MODELS.length)}`));
  };
  return open(name, {
    storage: 'memory',
    device: 'wasm',
    models: { path: MODELS, remote: false },
    worker: inThisThread,
  });
}

function inThisThread(): Worker {
  const { port1, port2 } = new MessageChannel();
  installErrorTransfer();
  expose(createTab(createStaticLoader), port2);
  port1.start();
  const terminate = () => port2.close();
  return Object.assign(port1, { terminate, onerror: null }) as unknown as Worker;
}
