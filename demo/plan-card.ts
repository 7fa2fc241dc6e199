// The card beside the results that says how they were found: each phase with its time, as the worker measured it.
import type { QueryPlan } from 'piramid';
import { el } from './dom.ts';
import { count, DEVICES, milliseconds } from './format.ts';

const PHASES: { readonly [name: string]: string } = {
  embed: 'embed, there and back',
  forms: 'learn the words',
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
  const lines = [{ name: 'embed', ms: embedMs }, ...plan.phases].map(
    ({ name, ms }) => [phaseName(name, plan, rows), ms] as const,
  );
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

/** What a phase of a search does. `rows`: how many passages were searched. */
export function phaseName(name: string, plan: QueryPlan, rows?: number): string {
  if (name === 'scan' && plan.device)
    return `${rows === undefined ? 'scan' : `scan ${count(rows)}`}, ${DEVICES[plan.device]}`;
  if (name === 'filter' && plan.filtered) return `filter ${count(plan.filtered.matched)} of ${count(plan.filtered.of)}`;
  return PHASES[name] ?? name;
}
