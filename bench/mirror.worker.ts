// An append-only file of the origin's own (OPFS), as a mirror of commits would be: what is handed over is written at its end and synced.
import { expose } from 'comlink';

const name = `mirror-${crypto.randomUUID()}`;
const root = navigator.storage.getDirectory();
const file = root
  .then((folder) => folder.getFileHandle(name, { create: true }))
  .then((handle) => handle.createSyncAccessHandle!());
let end = 0;

const mirror = {
  /** Milliseconds of each of `times` commits of so many bytes. */
  async append(bytes: number, times: number): Promise<number[]> {
    const handle = await file;
    const value = new Uint8Array(bytes);
    for (let at = 0; at < bytes; at += 65_536) crypto.getRandomValues(value.subarray(at, at + 65_536));
    return Array.from({ length: times }, () => {
      const start = performance.now();
      end += handle.write(value, { at: end });
      handle.flush();
      return performance.now() - start;
    });
  },
  async remove(): Promise<void> {
    (await file).close();
    await (await root).removeEntry(name);
  },
};
export type Mirror = typeof mirror;
expose(mirror);
