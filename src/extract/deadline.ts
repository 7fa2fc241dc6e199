// An end to what a library does with a file, where the library does not come to one. What it holds the thread for cannot be cut short
// from here: it is given less at once, or a worker that can be ended.
import { PiramidError } from '../errors.ts';

const TICK_MS = 250;
/** A file may take so long, and this much more for each million bytes, milliseconds. A slow machine needs a tenth of it. */
const DEADLINE_MS = 20_000;
const DEADLINE_PER_MILLION_MS = 20_000;

/** As `work`, or throws `TIMEOUT`. Only time in which this thread runs counts: laptops sleep, and tabs are throttled. */
export function withinDeadline<T>(work: Promise<T>, name: string, bytes: number): Promise<T> {
  const ms = DEADLINE_MS + (bytes / 1e6) * DEADLINE_PER_MILLION_MS;
  return new Promise((resolve, reject) => {
    let left = Math.ceil(ms / TICK_MS);
    const late = () => {
      clearInterval(ticking);
      reject(
        new PiramidError(
          'TIMEOUT',
          `"${name}" of ${bytes} bytes was not read within ${Math.round(ms / 1000)} s, and was given up; save it as text, or in parts`,
        ),
      );
    };
    const ticking = setInterval(() => --left < 0 && late(), TICK_MS);
    const settled = () => clearInterval(ticking);
    work.then(settled, settled);
    work.then(resolve, reject);
  });
}
