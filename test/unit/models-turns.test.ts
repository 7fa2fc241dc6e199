import { describe, expect, test } from 'vitest';
import { embedderRecipe, fingerprintOf } from '../../src/models/known-models.ts';
import { explain } from '../../src/models/transformers-runtime.ts';
import { createTurns } from '../../src/models/turns.ts';
import { nextTask } from '../../src/structures/slices.ts';

describe('turns', () => {
  test('are taken one at a time, urgent ones first, each kind in order', async () => {
    const takeTurn = createTurns();
    const ran: string[] = [];
    let running = 0;
    const job = (name: string, urgent: boolean) =>
      takeTurn(urgent, undefined, async () => {
        expect(++running).toBe(1);
        await nextTask();
        running--;
        ran.push(name);
      });
    await Promise.all([job('a', false), job('b', false), job('c', false), job('q', true), job('r', true)]);
    expect(ran).toEqual(['a', 'q', 'r', 'b', 'c']);
  });

  test('go on after a job that failed, and pass over one that was cancelled while it waited', async () => {
    const takeTurn = createTurns();
    const stop = new AbortController();
    const fails = takeTurn(false, undefined, () => Promise.reject(new Error('no')));
    const waits = takeTurn(false, stop.signal, async () => 'ran');
    const last = takeTurn(false, undefined, async () => 'ran');
    stop.abort();
    await expect(fails).rejects.toThrow('no');
    await expect(waits).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await last).toBe('ran');
    expect(await takeTurn(true, undefined, async () => 'idle again')).toBe('idle again');
  });
});

describe('a known model', () => {
  test('is used as its card says, unless told otherwise', () => {
    expect(embedderRecipe({ model: 'Xenova/bge-small-en-v1.5' })).toMatchObject({
      dtype: 'q8',
      pooling: 'cls',
      queryPrefix: 'Represent this sentence for searching relevant passages: ',
      documentPrefix: '',
    });
    expect(embedderRecipe({ model: 'bge-base-en', pooling: 'mean', queryPrefix: '' })).toMatchObject({
      pooling: 'mean',
      queryPrefix: '',
    });
    expect(embedderRecipe({ model: 'Xenova/multilingual-e5-small' })).toMatchObject({
      pooling: 'mean',
      queryPrefix: 'query: ',
      documentPrefix: 'passage: ',
    });
    expect(embedderRecipe({ model: 'Xenova/all-MiniLM-L6-v2' })).toEqual({
      model: 'Xenova/all-MiniLM-L6-v2',
      dtype: 'q8',
      pooling: 'mean',
      queryPrefix: '',
      documentPrefix: '',
    });
  });

  test('used in another way has another fingerprint', () => {
    const options = { model: 'm' };
    const changed = [
      {},
      { dtype: 'fp32' },
      { pooling: 'last' as const },
      { queryPrefix: 'a' },
      { documentPrefix: 'a' },
      { model: 'n' },
    ];
    const prints = changed.map((change) => fingerprintOf(embedderRecipe({ ...options, ...change }), 384));
    expect(new Set(prints).size).toBe(changed.length);
  });
});

describe('what went wrong with a model', () => {
  const source = { path: 'https://site.test/models/', remote: true };
  test.each([
    [
      'ModelFileNotFoundError',
      'not found locally',
      /"m": a file was not found at https:\/\/site\.test\/models\/m\/ or the Hugging Face hub/,
    ],
    ['TypeError', 'Failed to fetch', /could not be fetched from .*; check the network/],
    ['Error', 'std::bad_alloc', /memory ran out; take a smaller model/],
    ['RangeError', 'Array buffer allocation failed', /memory ran out/],
    ['Error', 'odd', /"m": Error: odd/],
  ])('is said in words: %s, %s', (name, message, expected) => {
    const error = explain(Object.assign(new Error(message), { name }), 'm', source);
    expect(error.code).toBe('MODEL_FAILED');
    expect(error.message).toMatch(expected);
  });
});
