// Registers the service worker once the page has settled, and tells whether all that the page needs is kept: its own
// files by the service worker, the built-in model by the library.

export async function prepareOffline(onReady: (ready: boolean) => void): Promise<void> {
  if (!('serviceWorker' in navigator) || import.meta.env.DEV) return;
  try {
    await navigator.serviceWorker.register('./sw.js');
    await navigator.serviceWorker.ready;
    onReady(await isModelKept());
  } catch {
    // Without it the page works as long as the server does; the chip does not claim more.
  }
}

async function isModelKept(): Promise<boolean> {
  return (await caches.match(new URL('./models/static-en/raw/table.u4', location.href))) !== undefined;
}
