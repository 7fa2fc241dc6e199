// Libraries that do not come to an end with a file, and files that say too much of themselves.
import { strToU8, zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { withinDeadline } from '../../../src/extract/deadline.ts';
import { docx } from '../../../src/extract/docx.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const never = new Promise<never>(() => {});
const stateOf = (promise: Promise<unknown>) => {
  const state = { value: 'waits' };
  promise.then(
    () => {
      state.value = 'done';
    },
    (error) => {
      state.value = error.code;
    },
  );
  return state;
};

describe('a deadline', () => {
  test('ends what does not come to an end, later for larger files', async () => {
    const small = stateOf(withinDeadline(never, 'a.pdf', 1000));
    const large = stateOf(withinDeadline(never, 'b.pdf', 2_000_000));
    await vi.advanceTimersByTimeAsync(19_000);
    expect(small.value).toBe('waits');
    await vi.advanceTimersByTimeAsync(2_000);
    expect(small.value).toBe('TIMEOUT');
    await vi.advanceTimersByTimeAsync(38_000);
    expect(large.value).toBe('waits');
    await vi.advanceTimersByTimeAsync(3_000);
    expect(large.value).toBe('TIMEOUT');
    expect(vi.getTimerCount()).toBe(0);
  });

  test('says which file, and what to do', async () => {
    const reading = withinDeadline(never, 'a.pdf', 1000);
    const said = expect(reading).rejects.toThrow(
      /^"a\.pdf" of 1000 bytes was not read within 20 s, and was given up; save it as text/,
    );
    await vi.advanceTimersByTimeAsync(30_000);
    await said;
  });

  test('leaves alone what comes to an end', async () => {
    await expect(withinDeadline(Promise.resolve(1), 'a', 1)).resolves.toBe(1);
    await expect(withinDeadline(Promise.reject(new Error('no')), 'a', 1)).rejects.toThrow('no');
    expect(vi.getTimerCount()).toBe(0);
  });
});

/** An archive of one file, which says that it unpacks to so many bytes. */
function archive(name: string, bytes: number): Uint8Array {
  const file = zipSync({ [name]: strToU8('x') });
  const entry = new TextDecoder('latin1').decode(file).lastIndexOf('PK\x01\x02');
  new DataView(file.buffer, file.byteOffset).setUint32(entry + 24, bytes, true);
  return file;
}

test('a Word file with more XML than can be parsed in one go is refused before it is unpacked', async () => {
  const read = async (name: string, bytes: number) => docx(archive(name, bytes), 'a.docx');
  await expect(read('word/document.xml', 17 << 20)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('bytes of XML'),
  });
  // Whatever it is called: what unpacks to so much is no picture.
  await expect(read('word/document.bin', 17 << 20)).rejects.toThrow('bytes of XML');
  const picture = zipSync({ 'word/media/a.png': crypto.getRandomValues(new Uint8Array(60_000)) });
  const entry = new TextDecoder('latin1').decode(picture).lastIndexOf('PK\x01\x02');
  const view = new DataView(picture.buffer, picture.byteOffset);
  view.setUint32(entry + 20, 17 << 20, true);
  view.setUint32(entry + 24, 17 << 20, true);
  await expect((async () => docx(picture, 'a.docx'))()).rejects.not.toThrow('bytes of XML');
  await expect(read('word/media/a.png', 257 << 20)).rejects.toThrow('unpacks to');
});
