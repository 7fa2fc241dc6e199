// Keeps the page, the library and its code on demand (`/piramid/stemmers.js` too, for other languages than English). In an app, list what your build writes, and change the name with each release.
const CACHE = 'example-offline-1';
const FILES = ['./', '../../dist/piramid.js', '/piramid/webgpu.js', '/piramid/transfer.js'];

addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(FILES)));
});

addEventListener('fetch', (event) => {
  event.respondWith(caches.match(event.request).then((kept) => kept ?? fetch(event.request)));
});
