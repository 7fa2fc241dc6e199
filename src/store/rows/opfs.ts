// Row files in the origin private file system: a folder for each database, and in it a file for each opener, because whoever
// has a file open keeps all others from it, also while it is frozen.
import { rowFilesOf } from '../../checks.ts';
import type { RowHandle } from './row-file.ts';

/**
 * Opens a file of that database's: one that a former opener has left behind, or a new one. What else they left is deleted. Null
 * where the browser or the context has none (a private window, plain http).
 */
export async function openRowHandle(database: string): Promise<RowHandle | null> {
  const root = await navigator.storage.getDirectory();
  const folder = await root.getDirectoryHandle(rowFilesOf(database), { create: true });
  const names: string[] = [];
  for await (const name of folder.keys()) names.push(name);
  let handle: FileSystemSyncAccessHandle | undefined;
  for (const name of [...names, crypto.randomUUID()]) {
    if (handle)
      await folder.removeEntry(name).catch(() => {}); // another opener's, or the new one, which is not there
    else handle = await access(folder, name);
  }
  return handle ?? null;
}

/** Undefined for a file of another opener, frozen or about to close. */
async function access(
  folder: FileSystemDirectoryHandle,
  name: string,
): Promise<FileSystemSyncAccessHandle | undefined> {
  try {
    return await (await folder.getFileHandle(name, { create: true })).createSyncAccessHandle?.();
  } catch {
    return undefined;
  }
}
