// `rag.iife.js`, for script tags: the same as the module. In a worker of the reader's name it is the reader.
import { HERE, READER } from './reading/messages.ts';
import { serve } from './reading/serve.ts';

export * from './index.ts';

if (HERE === undefined && (globalThis as { name?: string }).name === READER) serve();
