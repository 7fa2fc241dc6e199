// The page that tests of tabs open: a database, and calls on it that settle with a value or an error's code.
export const PAGE = `<!doctype html><meta charset="utf-8"><script type="module">
  import { open } from '/dist/piramid.js';
  let worker, db, c;
  const NativeWorker = Worker;
  globalThis.Worker = class extends NativeWorker { constructor(...args) { super(...args); worker = this; } };
  const settled = (promise) => promise.then((value) => ({ value }), (error) => ({ code: error.code, message: error.message }));
  globalThis.tab = {
    open: async (name) => {
      const begun = performance.now();
      db = await open(name, { device: 'wasm' });
      c = await db.collection('c', { dimension: 2 });
      return performance.now() - begun;
    },
    insert: (ids, v) => settled(c.upsert(ids.map((id) => ({ id, vector: [1, 0], metadata: { v } })), { mode: 'insert' })),
    update: (id, v) => settled(c.update({ ids: [id] }, { set: { v } })),
    remove: (id) => settled(c.delete({ ids: [id] })),
    read: () => settled(c.scroll({ limit: 10000, select: ['metadata'] }).then(({ records }) => records.map(({ id, metadata }) => [id, metadata.v]))),
    near: () => settled(c.query({ vector: [1, 0], k: 10000, select: ['metadata'] }).then((found) => found.map(({ id, metadata }) => [id, metadata.v]))),
    role: () => settled(db.stats().then(({ role }) => role)),
    close: () => db.close(),
    endWorker: () => worker.terminate(),
    spin: (ms) => { for (const end = performance.now() + ms; performance.now() < end;); },
  };
</script>`;
