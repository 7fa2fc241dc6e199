// Code that is loaded on demand. The page knows where it is, or has it; the worker imports it.
import { transfer } from 'comlink';
import type { Asset, PageEvent } from '../protocol.ts';

/** Asks the page for a script, and imports it. */
export async function importAsset(file: string, onEvent: (event: PageEvent) => unknown): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise<Asset>((resolve) => {
    port1.onmessage = ({ data }: MessageEvent<Asset>) => resolve(data);
  });
  onEvent(transfer({ type: 'asset', file, port: port2 }, [port2]));
  const asset = await answer;
  port1.close();
  if ('error' in asset) throw new Error(asset.error);
  if ('url' in asset) return import(/* webpackIgnore: true */ /* @vite-ignore */ asset.url);
  const url = URL.createObjectURL(new Blob([asset.bytes], { type: 'text/javascript' }));
  try {
    return await import(/* webpackIgnore: true */ /* @vite-ignore */ url);
  } finally {
    URL.revokeObjectURL(url);
  }
}
