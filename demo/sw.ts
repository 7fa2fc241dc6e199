// The service worker: after the first load the page starts without a network. It keeps one whole version of the built
// files and serves the page from it; a new version is fetched beside it and takes over at the next start, all at once.
// Models and documents are not its business: the library and the page keep those.

/** Both are put in by the build, see tools/demo-files.ts. */
const VERSION = '__VERSION__';
const FILES = '__FILES__' as unknown as readonly string[];

const PREFIX = 'piramid-demo-app-';
const CACHE = PREFIX + VERSION;
/** Asked of the server first: a machine's models, and the runtime they need, can come and go. */
const OF_THE_SERVER = /\/(onnx\/.*|models\/index\.json)$/;

interface WorkerEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchingEvent extends WorkerEvent {
  request: Request;
  respondWith(response: Promise<Response>): void;
}
const scope = self as unknown as EventTarget & {
  clients: { claim(): Promise<void> };
  registration: { scope: string };
  skipWaiting(): Promise<void>;
};

scope.addEventListener('install', (event) => {
  (event as WorkerEvent).waitUntil(keepVersion());
});

scope.addEventListener('activate', (event) => {
  (event as WorkerEvent).waitUntil(dropOthers().then(() => scope.clients.claim()));
});

scope.addEventListener('message', (event) => {
  if ((event as MessageEvent).data === 'take over') void scope.skipWaiting();
});

scope.addEventListener('fetch', (event) => {
  const { request, respondWith } = bound(event as FetchingEvent);
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (request.mode === 'navigate') {
    // Only the page itself: another site may live on the same port tomorrow.
    if (url.pathname === new URL('./', scope.registration.scope).pathname) respondWith(fromCache('./'));
  } else if (OF_THE_SERVER.test(url.pathname)) {
    respondWith(fromServer(request));
  } else if (FILES.some((file) => new URL(file, scope.registration.scope).href === request.url)) {
    respondWith(fromCache(request.url));
  }
});

/** All files or none: `addAll` fails as a whole. */
async function keepVersion(): Promise<void> {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((file) => new Request(file, { cache: 'no-cache' })));
}

async function dropOthers(): Promise<void> {
  const names = await caches.keys();
  const old = names.filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

async function fromCache(url: string): Promise<Response> {
  const cache = await caches.open(CACHE);
  return (await cache.match(url)) ?? fetch(url);
}

async function fromServer(request: Request): Promise<Response> {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(request);
    if (kept) return kept;
    throw error;
  }
}

function bound(event: FetchingEvent) {
  return { request: event.request, respondWith: event.respondWith.bind(event) };
}
