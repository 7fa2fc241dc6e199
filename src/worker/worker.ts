// The worker that is inlined in the page's bundle and published as `piramid/worker`: the engine and the built-in embedder.
import { createStaticLoader } from '../models/loader.ts';
import { exposeEngine } from './expose.ts';

exposeEngine(createStaticLoader);
