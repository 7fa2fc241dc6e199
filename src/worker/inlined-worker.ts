// The worker that is inlined in the page's bundle: the engine and the built-in embedder. What most pages never need is loaded on demand.
import { createStaticLoader } from '../models/loader.ts';
import { exposeEngine } from './expose.ts';

exposeEngine(createStaticLoader);
