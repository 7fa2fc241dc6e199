// The worker published as `piramid/worker`: the engine and the built-in embedder.
import { createStaticLoader } from '../models/loader.ts';
import { exposeEngine } from './expose.ts';
import { included } from './included.ts';

exposeEngine(createStaticLoader, included);
