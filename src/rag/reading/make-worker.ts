// Starts a reader. Its script is inlined, so that bundlers, other origins and file:// cannot lose it. Loaded on demand.
import { READER } from './messages.ts';
import InlinedWorker from './worker.ts?worker&inline';

export const makeWorker = (): Worker => new InlinedWorker({ name: READER });
