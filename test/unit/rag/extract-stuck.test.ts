// A PDF.js whose worker does not come to an end, and so never says that it has been ended either.
import { expect, test, vi } from 'vitest';
import { pdf } from '../../../src/extract/pdf.ts';

const library = vi.hoisted(() => ({ destroyed: [] as string[] }));
vi.mock('pdfjs-dist/legacy/build/pdf.worker.mjs', () => ({}));
vi.mock('pdfjs-dist/legacy/build/pdf.mjs', () => {
  const never = new Promise<never>(() => {});
  return {
    GlobalWorkerOptions: {},
    PDFWorker: class {
      destroy() {
        library.destroyed.push('worker');
      }
    },
    getDocument: () => ({
      promise: never,
      destroy() {
        library.destroyed.push('task');
        return never;
      },
    }),
  };
});

test('is given up at the deadline, and its worker ended', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const read = (async () => pdf(new Uint8Array(10), 'b.pdf'))();
  const said = expect(read).rejects.toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('"b.pdf"') });
  while (vi.getTimerCount() === 0) await new Promise((resolve) => setImmediate(resolve));
  await vi.advanceTimersByTimeAsync(21_000);
  await said;
  expect(library.destroyed).toEqual(['task', 'worker']);
});
