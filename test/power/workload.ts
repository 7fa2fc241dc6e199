// What is written while the power goes, and what must be found: operations by number, one after the other, of every kind that
// commits in another way. The page below runs them, and another page compares what it finds with a model.

/** Runs in the page, so it is plain JavaScript. */
export const PAGE = `<!doctype html><meta charset="utf-8"><script type="module">
  import { open } from '/dist/piramid.js';
  const DIMENSION = 384;
  // Browsers compress values, so words are drawn; few of them, because finding words is not what this is about.
  let state = 1;
  const words = Array.from({ length: 64 }, (_, i) => 'w' + i * 7919);
  const textOf = (bytes) => {
    let text = '';
    while (text.length < bytes) {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      text += ' ' + words[(state >> 8) % words.length];
    }
    return text;
  };
  const record = (id, n, textBytes) => ({
    id, metadata: { n }, text: 'n' + n + textOf(textBytes), vector: new Float32Array(DIMENSION).fill(n + 1),
  });
  const many = (count, make) => Array.from({ length: count }, (_, i) => make(i));
  /** Records that operation n writes; ids that it deletes. Ids come back, so that rows are replaced. */
  const operation = (n) => {
    const round = Math.floor(n / 6);
    switch (n % 6) {
      case 0: return { put: many(40, (i) => record('t' + (round % 3) + '-' + i, n, 60_000)) };
      case 2: return { put: many(1300, (i) => record('v' + (round % 3) + '-' + i, n, 200)) };
      case 3: return { deleted: many(5, (i) => 's' + ((n - 2) % 30) + '-' + i) };
      case 5: return { put: many(8, (i) => record('m' + (round % 5) + '-' + i, n, 10_000)) };
      default: return { put: many(5, (i) => record('s' + (n % 30) + '-' + i, n, 3_000)) };
    }
  };
  const collectionOf = (db) => db.collection('c', { dimension: DIMENSION });
  globalThis.write = async () => {
    let db;
    let c;
    for (let n = 0; ; n++) {
      // Closed once, so that there is a witness of it from then on.
      if (n === 1) await db.close();
      if (n < 2) db = await open('power', { device: 'js' });
      if (n < 2) c = await collectionOf(db);
      const { put, deleted } = operation(n);
      await (put ? c.upsert(put) : c.delete({ ids: deleted }));
      await acknowledge(n);
      if (n % 9 === 8) void c.compact().catch(() => {});
    }
  };
  const modelAfter = (count) => {
    const model = new Map();
    for (let n = 0; n < count; n++) {
      const { put = [], deleted = [] } = operation(n);
      for (const { id } of put) model.set(id, n);
      for (const id of deleted) model.delete(id);
    }
    return model;
  };
  /** How many records of the database differ from the model, and how. */
  const compare = (found, model) => {
    let lost = 0;
    let other = 0;
    for (const [id, n] of model) if (!found.has(id) || found.get(id) < n) lost++;
    for (const [id, n] of found) if (!model.has(id) || model.get(id) < n) other++;
    return { lost, other };
  };
  /** \`acknowledged\`: how many operations were. The next one may have been done as well, as a whole. */
  globalThis.verify = async (acknowledged) => {
    const db = await open('power', { device: 'js' });
    const told = [];
    db.on('dataloss', (loss) => told.push(loss.what));
    const c = await collectionOf(db);
    const found = new Map();
    let corrupt = 0;
    let next;
    do {
      const page = await c.scroll({ limit: 500, select: ['text', 'metadata', 'vector'], ...(next && { cursor: next }) });
      for (const { id, vector, text, metadata } of page.records) {
        const n = metadata?.n;
        const isWhole = text?.startsWith('n' + n + ' ') && vector?.every((x) => x === n + 1);
        if (!isWhole || found.has(id)) corrupt++;
        found.set(id, n);
      }
      next = page.next;
    } while (next);
    const { damage } = await db.stats();
    const states = [acknowledged, acknowledged + 1].map((count) => compare(found, modelAfter(count)));
    const [best] = states.sort((a, b) => a.lost + a.other - b.lost - b.other);
    // It goes on.
    await c.upsert(record('after', 0, 100_000));
    if ((await c.count()) !== found.size + 1) corrupt++;
    await new Promise((resolve) => setTimeout(resolve, told.length || found.size ? 0 : 1500));
    await db.close();
    return { found: found.size, lost: best.lost, corrupt: corrupt + best.other + damage.length, told, damage: damage.map(({ message }) => message) };
  };
</script>`;

export interface Verdict {
  found: number;
  lost: number;
  corrupt: number;
  told: string[];
  damage: string[];
}
