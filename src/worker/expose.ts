// Makes a worker speak: puts the engine's method table on its message port. All workers are this, with other models and code.
import { expose } from 'comlink';
import type { CreateModelLoader } from '../models/model.ts';
import { installErrorTransfer } from '../protocol.ts';
import type { Code } from './assets.ts';
import { browser } from './platform.ts';
import { createTab } from './tabs/tab.ts';

/** `included`: code that need not be loaded. */
export function exposeEngine(createModelLoader: CreateModelLoader, included: Partial<Code> = {}): void {
  installErrorTransfer();
  expose(Object.freeze(createTab(createModelLoader, browser, included)));
}
