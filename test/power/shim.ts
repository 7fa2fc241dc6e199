// Compiles the library that is loaded below a browser.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('shim.c', import.meta.url));

/** Its path, in `folder`. Throws where there is no compiler. */
export function compileShim(folder: string): string {
  const shim = join(folder, 'shim.so');
  const { error, status, stderr } = spawnSync('gcc', ['-shared', '-fPIC', '-O2', '-o', shim, SOURCE]);
  if (error)
    throw new Error(
      'sick disks and power loss are simulated by a C library, and there is no gcc here to make it. Install gcc.',
    );
  if (status !== 0) throw new Error(`gcc: ${stderr}`);
  return shim;
}
