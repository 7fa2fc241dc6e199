// Long documents are read by a worker of their own: with the same result, while the page does other things, and with an end.
import { afterEach, expect, test, vi } from 'vitest';
import { extract } from '../../src/rag/extract.ts';
import { readAside } from '../../src/rag/reading/index.ts';
import { type Kind, LIBRARIES } from '../../src/rag/reading/libraries.ts';
import { Reader } from '../../src/rag/reading/reader.ts';

const LONG: Record<Kind, string> = {
  html: '<h2>Title &amp; more</h2><p>some <b>words</b> é 漢<nav>no</nav></p>'.repeat(20_000),
  xhtml: `<html xmlns="http://www.w3.org/1999/xhtml"><body>${'<h2>A</h2><p>b<br/>c</p>'.repeat(50_000)}</body></html>`,
  xml: `<all>${'<item><title>a</title><text>b &lt; c</text></item>'.repeat(30_000)}</all>`,
  markdown:
    '# Title\n\nwords `code` and [a link](x)\n\n```js\nlet a;\n```\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n'.repeat(
      20_000,
    ),
  csv: `name,size\n${'"a ""b""",12\n'.repeat(50_000)}`,
  tsv: `name\tsize\n${'a b\t12\n'.repeat(50_000)}`,
};

const NativeWorker = globalThis.Worker;
const readers: Worker[] = [];

function watched(): void {
  vi.stubGlobal(
    'Worker',
    class extends NativeWorker {
      constructor(url: string | URL, options?: WorkerOptions) {
        super(url, options);
        if (options?.name === 'piramid-reader') readers.push(this);
      }
    },
  );
}

afterEach(() => vi.unstubAllGlobals());

test.each(Object.keys(LONG) as Kind[])('%s is read by the reader as by the library itself', async (kind) => {
  watched();
  const here = await LIBRARIES[kind](LONG[kind]);
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  try {
    expect(await readAside(kind, LONG[kind])).toEqual(here);
  } finally {
    clearInterval(timer);
  }
  expect(turns).toBeGreaterThan(3);
  expect(readers.length).toBeGreaterThan(0);
});

test('what a library refuses is refused by name', async () => {
  const deep = { name: 'deep.html', text: `${'<div>'.repeat(200_000)}${'x'.repeat(1_000_000)}` };
  await expect(extract(deep)).rejects.toMatchObject({ name: 'PiramidError', code: 'INVALID_ARGUMENT' });
});

const script = (code: string) => async () => new NativeWorker(URL.createObjectURL(new Blob([code])));
const quickly = (_: number, run: () => void) => {
  const interval = setInterval(run, 1);
  return () => clearInterval(interval);
};

test('a reader that does not come to an end is ended, and the next document has another', async () => {
  const makers = [
    script('onmessage = () => { for (;;); }; postMessage({ ready: true })'),
    script('onmessage = () => postMessage({ read: 7 }); postMessage({ ready: true })'),
  ];
  const reader = new Reader(() => makers.shift()!(), quickly);
  const [first, second] = [reader.read('markdown', '# a'), reader.read('markdown', '# b')];
  await expect(first).rejects.toMatchObject({ code: 'TIMEOUT', message: expect.stringContaining('3 characters') });
  expect(await second).toBe(7);
});

test('a reader that breaks down says so, and the next document has another', async () => {
  const makers = [
    script('onmessage = () => { throw new Error("x") }; postMessage({ ready: true })'),
    script('onmessage = () => postMessage({ error: { message: "no" } }); postMessage({ ready: true })'),
  ];
  const reader = new Reader(() => makers.shift()!());
  await expect(reader.read('csv', 'a')).rejects.toMatchObject({ code: 'WORKER_FAILED' });
  await expect(reader.read('csv', 'b')).rejects.toThrow(/^no$/);
});

test.each([
  ['throws', async () => Promise.reject(new Error('blocked'))],
  ['fails', script('throw new Error("x")')],
  ['says nothing', script('')],
])('where a worker %s there is none', async (_, make) => {
  const reader = new Reader(make as () => Promise<Worker>, quickly);
  expect(await reader.read('csv', 'a')).toBeUndefined();
  expect(await reader.read('csv', 'a')).toBeUndefined();
});
