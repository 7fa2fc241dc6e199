// Makes a worker speak: puts the engine's method table on its message port. Both workers are this, with other models.
import { expose } from 'comlink';
import type { CreateModelLoader } from '../models/model.ts';
import { installErrorTransfer } from '../protocol.ts';
import { createTab } from './tabs/tab.ts';

export function exposeEngine(createModelLoader: CreateModelLoader): void {
  installErrorTransfer();
  expose(Object.freeze(createTab(createModelLoader)));
}
