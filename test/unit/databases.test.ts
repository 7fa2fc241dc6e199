// Deleting a database where the browser lets nobody look at its files.
import { afterEach, expect, test, vi } from 'vitest';
import { deleteDatabase } from '../../src/api/databases.ts';

afterEach(() => vi.unstubAllGlobals());

test('a database is deleted in a private window, which refuses its file system', async () => {
  let databases = [{ name: 'piramid:x' }];
  const remove = () => {
    const request: { onsuccess?: () => void } = {};
    setTimeout(() => {
      databases = [];
      request.onsuccess!();
    });
    return request;
  };
  vi.stubGlobal('indexedDB', { databases: async () => databases, deleteDatabase: remove });
  const getDirectory = () => Promise.reject(new DOMException('refused', 'SecurityError'));
  vi.stubGlobal('navigator', { storage: { getDirectory } });
  expect(await deleteDatabase('x')).toBe(true);
  expect(databases).toEqual([]);
});
