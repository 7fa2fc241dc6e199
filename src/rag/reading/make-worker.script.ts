// Starts a reader for a script tag: the same script once more, which knows by its name what it is (rag/script.ts). To have it
// inlined would double the script.
import { HERE, READER } from './messages.ts';

/** Throws where the page holds the script itself. */
export function makeWorker(): Worker {
  if (!HERE) throw new Error('this script has no address');
  const url = URL.createObjectURL(new Blob([`importScripts(${JSON.stringify(HERE)})`]));
  const worker = new Worker(url, { name: READER });
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  return worker;
}
