// Registers the service worker once the page has settled, and tells whether all that the page needs is kept: its own
// files by the service worker, the built-in model by the library.

export async function prepareOffline(
  onReady: (ready: boolean) => void,
  onNewVersion: (load: () => void) => void,
): Promise<void> {
  if (!('serviceWorker' in navigator) || import.meta.env.DEV) return;
  const workers = navigator.serviceWorker;
  // Without a network, or where it is refused, what an earlier visit registered still counts. Without any the page works
  // as long as the server does; the chip does not claim more.
  const registered = await workers.register('./sw.js').catch(() => workers.getRegistration());
  if (!registered) return;
  watchVersions(registered, onNewVersion);
  await workers.ready;
  onReady(await isModelKept());
}

/** A new version waits until the old one is left; it can be told not to. */
function watchVersions(registered: ServiceWorkerRegistration, onNewVersion: (load: () => void) => void): void {
  const offer = (): void => {
    const { waiting } = registered;
    if (!waiting || !navigator.serviceWorker.controller) return;
    onNewVersion(() => {
      navigator.serviceWorker.addEventListener('controllerchange', () => location.reload());
      waiting.postMessage('take over');
    });
  };
  offer();
  registered.addEventListener('updatefound', () => registered.installing?.addEventListener('statechange', offer));
}

async function isModelKept(): Promise<boolean> {
  return (await caches.match(new URL('./models/static-en/raw/table.u4', location.href))) !== undefined;
}
