// Mutants of exactness: scores, order, the proof that no better row was left out, and what is said where there is none.
import { breaking } from './mutant.ts';

const KERNELS = 'test/unit/kernels.test.ts';
const EDGES = [KERNELS, 'agrees with the oracle where its loops begin and end'] as const;
const BOUNDS = 'test/unit/bounds.test.ts';
const PROVEN = 'test/unit/proven.test.ts';
const RECALL = 'test/unit/worker/recall.test.ts';

export const kernels = [
  ...breaking('src/kernels/bounds.ts', BOUNDS, [
    [
      'the bound counts roundings of WGSL, which may go either way',
      '(depth + 16) * 2 ** -23 * 1.01',
      '(depth + 16) * 2 ** -24 * 1.01',
    ],
    ['the bound counts every rounding on the way', '(depth + 16) *', '16 *'],
    ['the bound counts the roundings at the ends of a sum', '(depth + 16) *', '(depth + 8) *'],
    ['the bound counts what GPUs flush to zero', 'query.length * 2 ** -120', '0'],
    ['the bound counts the rounding of float16 rows', ' + stored * 1.01', ''],
    ['the bound counts the roundings of the expanded l2', 'size * size * 2 ** -21', '0'],
    ['the bound of dot products grows with the longest row', 'if (norm > this.longest) this.longest = norm;', ''],
    [
      'rows that are taken back are no odd rows any more',
      'this.odd.at(-1)! >= rowCount',
      'this.odd.at(-1)! > rowCount',
    ],
  ]),
  ...breaking('src/kernels/candidates.ts', BOUNDS, [
    ['what ties at the border may belong to the answer', 'candidates.floor < needed', 'candidates.floor <= needed'],
    ['fewer than k found prove nothing', 'hits.rows.length < search.k ?', 'false ?'],
    [
      'rows that no float32 kernel can be trusted with are looked at',
      'for (const row of norms.odd) if (row < rowCount',
      'for (const row of norms.odd) if (row < 0',
    ],
    [
      'odd rows that came after the search began are not seen',
      'if (row < rowCount && (!mask',
      'if (row <= rowCount && (!mask',
    ],
  ]),
  ...breaking('src/structures/top-k.ts', EDGES, [
    [
      'of equal scores the lower row comes first',
      'score === thanScore && row > thanRow',
      'score === thanScore && row < thanRow',
    ],
  ]),
  ...breaking('src/kernels/js.ts', EDGES, [
    [
      'sums are taken in float64, first number to last',
      'sum += query[i]! * values[offset + i]!;',
      'sum = Math.fround(sum + query[i]! * values[offset + i]!);',
    ],
  ]),
  ...breaking(
    'src/kernels/js.ts',
    [KERNELS, 'a score is never -0'],
    [
      ['a score of 0 is not -0', 'Math.fround(-Math.sqrt(sum)) + 0', 'Math.fround(-Math.sqrt(sum))'],
      ['a score that rounds to 0 is not -0', 'return Math.fround(sum) + 0;', 'return Math.fround(sum);'],
    ],
  ),
  ...breaking(
    'src/kernels/js.ts',
    [KERNELS, 'sees no row that came after'],
    [
      [
        'rows that came after the search began are not seen',
        'if (row >= rowCount) return;',
        'if (row > rowCount) return;',
      ],
    ],
  ),
  ...breaking('src/kernels/codes/int8.ts', 'test/unit/codes.test.ts', [
    ['codes are what they were: they are on disk', 'inverse + 128.5', 'inverse + 128.4'],
  ]),
  ...breaking(
    'src/kernels/codes/int8.ts',
    [PROVEN, 'a bound holds'],
    [
      [
        'what a row loses is part of its bound',
        'scale * unit, dimension) / unit)',
        'scale * unit, dimension) / unit / 2)',
      ],
      [
        'what a query loses is part of the bound',
        'step * unit, dimension) / unit }',
        'step * unit, dimension) / unit / 2 }',
      ],
    ],
  ),
  ...breaking(
    'src/kernels/codes/proof.ts',
    [PROVEN, 'a bound holds'],
    [
      ['a row may lie across the query', 'Math.max(0, 1 - cosine * cosine)', 'Math.max(0, 0.5 - cosine * cosine)'],
      ['the bound of l2 counts what a long row loses', 'own * share + 2 * ROUNDED - 1', '-1'],
    ],
  ),
  ...breaking(
    'src/indexes/proven.ts',
    [PROVEN, 'the int8 index on js'],
    [['codes that prove nothing are scanned again', 'doubt.floor >= least &&', 'false &&']],
  ),
  ...breaking(
    'src/kernels/codes/doubt.ts',
    [PROVEN, 'the int8 index on js'],
    [['rows that a scan has left out are known', 'isCut ? ascending', 'false ? ascending']],
  ),
  ...breaking('src/indexes/coding.ts', RECALL, [
    ['exact: true looks at every record', 'if (exact || norm === 0', 'if (norm === 0'],
  ]),
  ...breaking('src/worker/query.ts', RECALL, [
    [
      'a match from codes is not called exact',
      'exact: vectorHits === null || isCertain(vectorHits.tier)',
      'exact: true',
    ],
    ['an answer from codes is not called complete', '(found.candidates ?? 0) >= eligible', 'true'],
  ]),
  ...breaking('src/worker/recall.ts', RECALL, [
    ['a record is not counted as its own neighbour', '.filter((_, i) => !own.includes(ids[i]!))', ''],
    ['recall is measured against the exact answer', 'await ask(true, exactMs)', 'await ask(false, exactMs)'],
    [
      'recall is measured between records, too',
      'await compare(middle, some, between);',
      'await compare(vectors[0]!, [id], between);',
    ],
  ]),
];
