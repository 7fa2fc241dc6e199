// A Chromium spoken to by its DevTools protocol alone. Playwright keeps every page visible, and only a hidden one can be frozen.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { chromium } from 'playwright';
import { CHROMIUM_ARGS, findChromium } from '../../tools/chromium.mjs';
import { ENGINES, type IndexedDbEngine } from './chromium.ts';

interface Reply {
  id?: number;
  result?: unknown;
  error?: { message: string };
}

/** A tab of it. */
export interface DevtoolsPage {
  /** What an expression, or the promise that it gives, comes to. */
  evaluate(expression: string): Promise<unknown>;
  /** Hides the others. */
  show(): Promise<void>;
  freeze(): Promise<void>;
  unfreeze(): Promise<void>;
}

export async function launchDevtools(engine: IndexedDbEngine) {
  const profile = mkdtempSync(join(tmpdir(), 'piramid-devtools-'));
  const flags = ['--headless=new', '--remote-debugging-pipe', `--user-data-dir=${profile}`];
  const args = [...CHROMIUM_ARGS, ...ENGINES[engine], ...flags];
  const browser = spawn(findChromium() ?? chromium.executablePath(), args, {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    detached: true, // a group of its own
  });
  const ended = new Promise((resolve) => browser.on('exit', resolve));
  const [toBrowser, fromBrowser] = [browser.stdio[3] as Writable, browser.stdio[4] as Readable];
  const waiting = new Map<number, (reply: Reply) => void>();
  let received = '';
  fromBrowser.on('data', (data) => {
    const messages = (received + data).split('\0');
    received = messages.pop()!;
    for (const message of messages) {
      const reply = JSON.parse(message) as Reply;
      if (reply.id !== undefined) waiting.get(reply.id)?.(reply);
    }
  });

  async function send<T>(method: string, params: object = {}, sessionId?: string): Promise<T> {
    const id = waiting.size + 1;
    const reply = await new Promise<Reply>((resolve) => {
      waiting.set(id, resolve);
      toBrowser.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
    if (reply.error) throw new Error(`${method}: ${reply.error.message}`);
    return reply.result as T;
  }

  async function open(url: string): Promise<DevtoolsPage> {
    const { targetId } = await send<{ targetId: string }>('Target.createTarget', { url });
    const { sessionId } = await send<{ sessionId: string }>('Target.attachToTarget', { targetId, flatten: true });
    const setState = (state: string) => send<void>('Page.setWebLifecycleState', { state }, sessionId);
    return {
      async evaluate(expression) {
        const { result, exceptionDetails } = await send<{ result: { value: unknown }; exceptionDetails?: object }>(
          'Runtime.evaluate',
          { expression, awaitPromise: true, returnByValue: true },
          sessionId,
        );
        if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
        return result.value;
      },
      show: () => send<void>('Target.activateTarget', { targetId }),
      freeze: () => setState('frozen'),
      unfreeze: () => setState('active'),
    };
  }

  return {
    open,
    async close() {
      // All of its processes: those that outlive the first one write into the profile.
      process.kill(-browser.pid!, 'SIGKILL');
      await ended;
      rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}
