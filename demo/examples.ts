// Examples for people who do not know what to ask: each a link.
import { el } from './dom.ts';

const EXAMPLES = [
  'What did Lincoln say about slavery?',
  'gold standard',
  'kindness to immigrants',
  'war with Mexico',
  'atomic energy',
];

/** "Try ...", to put into a note. */
export function examples(): (Node | string)[] {
  return [
    'Try ',
    ...EXAMPLES.flatMap((example, i) => [
      i > 0 ? ' · ' : '',
      el('a', { href: `./?q=${encodeURIComponent(example)}`, 'data-go': true }, example),
    ]),
  ];
}
