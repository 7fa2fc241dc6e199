// The card beside the results that says how they were found: each phase with its time, as the worker measured it.
import type { QueryPlan } from 'piramid';
import { el } from './dom.ts';
import { count, milliseconds } from './format.ts';

const DEVICES = { webgpu: 'WebGPU', wasm: 'WASM', js: 'JavaScript' } as const;
const PHASES: { readonly [name: string]: string } = {
  embed: 'embed, there and back',
  filter: 'filter',
  scan: 'scan',
  rescore: 'rescore',
  words: 'words, BM25',
  fuse: 'fuse',
  payload: 'read texts',
};

/** The card of one answer. `rows`: how many passages were searched. */
export function planCard(
  plan: QueryPlan,
  { took, embedMs, rows }: { took: number; embedMs: number; rows: number },
): HTMLElement {
  const lines = [{ name: 'embed', ms: embedMs }, ...plan.phases].map(({ name, ms }) => {
    let what = PHASES[name] ?? name;
    if (name === 'scan' && plan.device) what = `scan ${count(rows)}, ${DEVICES[plan.device]}`;
    if (name === 'filter' && plan.filtered)
      what = `filter ${count(plan.filtered.matched)} of ${count(plan.filtered.of)}`;
    return [what, ms] as const;
  });
  return el(
    'section',
    { class: 'card plan', 'aria-label': 'How this was found' },
    el('h2', {}, 'How this was found'),
    el(
      'dl',
      {},
      ...[...lines, ['in all', took + embedMs] as const].flatMap(([what, ms]) => [
        el('dt', {}, what),
        el('dd', {}, milliseconds(ms)),
      ]),
    ),
  );
}
