// The worker published as `piramid/rag-worker`: the engine, and models by transformers.js, loaded when they are asked for.
import { createTransformersLoader } from '../models/transformers-loader.ts';
import { exposeEngine } from './expose.ts';
import { included } from './included.ts';

exposeEngine(createTransformersLoader, included);
