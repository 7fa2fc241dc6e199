// The benchmark's page: bench/run.mjs opens it and calls `measure`, one group of figures at a time.

import { measureAnswers } from './answer-measures.ts';
import { fillBeyond, measureBeyond } from './beyond-measures.ts';
import { measureCodes } from './code-measures.ts';
import { clusteredData } from './data.ts';
import { measureFusion } from './fusion-measures.ts';
import { measureIngest } from './ingest-measures.ts';
import { measureKernels } from './kernel-measures.ts';
import { fillOpen, measureOpen } from './open-measures.ts';
import { measurePast4Gb } from './past-4gb-measures.ts';
import { measureQueries } from './query-measures.ts';
import { measureCodeShards, measureShards } from './shard-measures.ts';
import type { Figure } from './statistics.ts';
import { measureStore } from './store-measures.ts';
import { measureRealTiers, measureTier } from './tier-measures.ts';
import { measureUpdates } from './update-measures.ts';
import { measureWords } from './word-measures.ts';
import { closeWrites, prepareWrites, runAlone, runWrites } from './write-measures.ts';

export type Group =
  | 'kernels'
  | 'store'
  | 'queries'
  | 'codes'
  | 'tiers'
  | 'real'
  | 'shards'
  | 'past4gb'
  | 'words'
  | 'ingest'
  | 'updates'
  | 'beyond-fill'
  | 'beyond-int8'
  | 'beyond-bin'
  | 'open1m-fill'
  | 'open1m'
  | 'answers'
  | 'fusion';

async function measure(group: Group, n: number, d: number, quick: boolean): Promise<Figure[]> {
  if (group === 'kernels') {
    const measured = await measureKernels({ n, d, rounds: quick ? 9 : 25 });
    const figure = (name: string, value: number, unit: string): Figure => ({ name, value, unit, n, d });
    return [
      figure('wasm.f32.gb_per_s', measured.wasmGBs, 'GB/s'),
      figure('wasm.roof.gb_per_s', measured.roofGBs, 'GB/s'),
      figure('js.f32.gb_per_s', measured.jsGBs, 'GB/s'),
      figure('wasm.f32.roof_fraction', measured.roofFraction, 'ratio'),
      figure('wasm.f32.vs_js', measured.speedup, 'ratio'),
      figure('wasm.f32.k100.vs_k10', measured.k100, 'ratio'),
      figure('wasm.f32.k1000.vs_k10', measured.k1000, 'ratio'),
    ];
  }
  if (group === 'codes') return measureCodes({ n, d }, quick ? 9 : 25);
  if (group === 'shards') {
    const rounds = quick ? 9 : 25;
    return [
      ...(await measureShards({ n, d }, rounds)),
      ...(await measureCodeShards('int8', { n, d }, rounds)),
      ...(await measureCodeShards('binary', { n, d }, rounds)),
    ];
  }
  if (group === 'words') return measureWords(n, quick ? 4 : 15);
  if (group === 'fusion') return measureFusion();
  if (group === 'answers') return measureAnswers();
  if (group === 'ingest') return measureIngest(quick ? 1 : 3);
  if (group === 'beyond-fill') return fillBeyond({ n, d });
  if (group === 'beyond-int8') return measureBeyond('int8', { n, d });
  if (group === 'beyond-bin') return measureBeyond('bin', { n, d });
  if (group === 'open1m-fill') return fillOpen({ n, d });
  if (group === 'open1m') return measureOpen({ n, d });
  if (group === 'past4gb') return measurePast4Gb({ n, d });
  if (group === 'real') return measureRealTiers(quick ? 100 : 300);
  const data = clusteredData({ n, d, queries: 100, seed: 1 });
  if (group === 'updates') return measureUpdates(data, { n, d }, quick ? 1 : 5);
  if (group === 'store') return measureStore(data, { n, d }, quick ? 1 : 3);
  if (group === 'tiers' && n >= 1_000_000) return measureTier('binary', data, { n, d }, quick ? 10 : 30, '1m');
  if (group === 'tiers') {
    const rounds = quick ? 40 : 100;
    return [
      ...(await measureTier('int8', data, { n, d }, rounds)),
      ...(await measureTier('binary', data, { n, d }, rounds)),
    ];
  }
  return measureQueries(data, { n, d }, quick ? 60 : 200);
}

Object.assign(globalThis, { measure, prepareWrites, runWrites, runAlone, closeWrites });
