// Code that is loaded on demand, because most pages never need it. The page knows where it is, or has it; the worker imports it.
// A published worker has some of it inside (`included.ts`).
import { transfer } from 'comlink';
import { PiramidError } from '../errors.ts';
import type { GpuKernels } from '../kernels/devices.ts';
import type { Asset, PageEvent } from '../protocol.ts';
import type { Stemmers } from '../text/analyzer.ts';

/** What each file has. */
export interface Code {
  'stemmers.js': Stemmers;
  'transfer.js': typeof import('./transfer.ts');
  'webgpu.js': GpuKernels;
}

/** Imports a script that the page says where to find. */
export type ImportAsset = (file: string, asking: Asking) => Promise<unknown>;

interface Asking {
  /** Called with the place. */
  lookIn: (place: string) => void;
  /** Fires when nobody waits any more. */
  givenUp: AbortSignal;
  /** How often this file has failed in this worker. */
  failures: number;
}

/** Where there is no page to ask. */
export const noAssets: ImportAsset = () => Promise.reject(new Error('there is no page to ask for it'));

/** How long a call waits for a file, and those behind it, milliseconds. */
const PATIENCE_MS = 10_000;

/** By the file. */
const failures = new Map<string, number>();

/** Loads a file that `what` needs. Throws `UNSUPPORTED`, with where it was looked for and what to do. */
export async function loadCode<File extends keyof Code>(
  importAsset: ImportAsset,
  file: File,
  what: string,
  patienceMs = PATIENCE_MS,
): Promise<Code[File]> {
  let place = '';
  const lookIn = (found: string) => {
    place = `${found}: `;
  };
  const ended = new AbortController();
  const asking = { lookIn, givenUp: ended.signal, failures: failures.get(file) ?? 0 };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not come within ${patienceMs / 1000} s`)), patienceMs);
  });
  try {
    const code = (await Promise.race([importAsset(file, asking), late])) as Code[File] & {
      release?: string;
    };
    const wanted = `${file} ${PIRAMID_BUILD}`;
    if (code.release !== wanted) throw new Error(`it is ${code.release ?? 'another file'}, and ${wanted} is needed`);
    return code;
  } catch (error) {
    failures.set(file, asking.failures + 1);
    throw new PiramidError(
      'UNSUPPORTED',
      `${what} ${file}, which could not be loaded (${place}${error instanceof Error ? error.message : error}). Serve it beside the bundle, or say where it is by the option \`assets\` of open(), in the tab that runs the database. If a Content-Security-Policy forbids it, let its script-src allow that address.`,
      { cause: error },
    );
  } finally {
    clearTimeout(timer);
    ended.abort();
  }
}

/** Asks the page for a script, and imports it. */
export async function importAsset(
  file: string,
  { lookIn, givenUp, failures }: Asking,
  onEvent: (event: PageEvent) => unknown,
): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise<Asset>((resolve) => {
    port1.onmessage = ({ data }: MessageEvent<Asset>) => resolve(data);
  });
  givenUp.addEventListener('abort', () => port1.close());
  onEvent(transfer({ type: 'asset', file, port: port2 }, [port2]));
  const asset = await answer;
  port1.close();
  lookIn('url' in asset ? asset.url : 'by the function `assets`');
  if ('error' in asset) throw new Error(asset.error);
  if ('url' in asset) return import(/* webpackIgnore: true */ /* @vite-ignore */ again(asset.url, failures));
  const url = URL.createObjectURL(new Blob([asset.bytes], { type: 'text/javascript' }));
  try {
    return await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
  } finally {
    URL.revokeObjectURL(url);
  }
}

/** Browsers keep a module that failed, by its URL, as long as the worker lives. A fragment makes it another one, of the same file. */
function again(url: string, failures: number): string {
  return failures === 0 ? url : `${url.replace(/#.*/s, '')}#${failures}`;
}
