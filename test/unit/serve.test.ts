// The server of tests and demo.
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { serve } from '../../tools/serve.mjs';

test('the server stops beside a connection that was never used', async () => {
  const server = await serve({ mounts: { '/': import.meta.dirname } });
  expect((await fetch(`${server.url}serve.test.ts`)).status).toBe(200);
  const unused = connect(Number(new URL(server.url).port), '127.0.0.1');
  unused.on('error', () => {});
  await once(unused, 'connect');
  await server.close();
  await expect(fetch(server.url)).rejects.toThrow();
});
