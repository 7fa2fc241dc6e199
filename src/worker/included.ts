// Of the code that is loaded on demand, what a published worker has inside: its size matters less, and nothing more has to be served
// beside it.
import * as webgpu from '../kernels/webgpu/webgpu.ts';
import type { Code } from './assets.ts';
import * as transfer from './transfer.ts';

export const included: Partial<Code> = { 'transfer.js': transfer, 'webgpu.js': webgpu };
