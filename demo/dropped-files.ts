// Files as people bring them: dropped anywhere on the page, alone or as folders, or chosen. Gives each with its path.
import { byId } from './dom.ts';

export interface DroppedFile {
  file: File;
  /** With the folders it was in. */
  path: string;
  /** Whether it came along with a folder. */
  fromFolder: boolean;
}

/** Calls `onFiles` for what is dropped on the page. */
export function acceptDrops(onFiles: (files: DroppedFile[]) => void): void {
  const veil = byId('drop');
  let depth = 0;
  const brings = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
  addEventListener('dragenter', (event) => {
    if (!brings(event)) return;
    depth++;
    veil.hidden = false;
  });
  addEventListener('dragleave', (event) => {
    if (!brings(event)) return;
    depth--;
    if (depth <= 0) veil.hidden = true;
  });
  addEventListener('dragover', (event) => {
    if (brings(event)) event.preventDefault();
  });
  addEventListener('drop', (event) => {
    if (!brings(event) || !event.dataTransfer) return;
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    // Entries are only there until the event is over.
    const entries = Array.from(event.dataTransfer.items, (item) => item.webkitGetAsEntry());
    const files = Array.from(event.dataTransfer.files);
    const read = entries.some((entry) => entry)
      ? Promise.all(entries.map((entry) => (entry ? filesOf(entry) : []))).then((lists) => lists.flat())
      : Promise.resolve(chosenFiles(files));
    read.then(onFiles);
  });
}

/** Files of an input element. */
export function chosenFiles(files: ArrayLike<File>): DroppedFile[] {
  return Array.from(files, (file) => ({
    file,
    path: file.webkitRelativePath || file.name,
    fromFolder: file.webkitRelativePath !== '',
  })).filter(({ path }) => !isHidden(path));
}

async function filesOf(entry: FileSystemEntry, inFolder = false): Promise<DroppedFile[]> {
  if (inFolder && entry.name.startsWith('.')) return [];
  const path = entry.fullPath.replace(/^\//, '') || entry.name;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ file, path, fromFolder: inFolder }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: DroppedFile[] = [];
  // A call gives at most a hundred.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    for (const child of some) found.push(...(await filesOf(child, true)));
  }
}

function isHidden(path: string): boolean {
  return path.split('/').some((part) => part.startsWith('.'));
}
