// Registers the service worker once the page has settled, and tells whether all that the page needs is kept: its own
// files by the service worker, the built-in model by the library.

export async function prepareOffline(onReady: (ready: boolean) => void): Promise<void> {
  if (!('serviceWorker' in navigator) || import.meta.env.DEV) return;
  const workers = navigator.serviceWorker;
  // Without a network, or where it is refused, what an earlier visit registered still counts. Without any the page works
  // as long as the server does; the chip does not claim more.
  const registered = await workers.register('./sw.js').catch(() => workers.getRegistration());
  if (!registered) return;
  await workers.ready;
  onReady(await isModelKept());
}

async function isModelKept(): Promise<boolean> {
  return (await caches.match(new URL('./models/static-en/raw/table.u4', location.href))) !== undefined;
}
