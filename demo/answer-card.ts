// Beside the results of a search that is a question: the sentences that answer it, if the documents have such. Comes after
// the results and never in their way; what it knows is a link away in Ask.
import type { Collection, Where } from 'piramid';
import { ask } from 'piramid/rag';
import { el, replace } from './dom.ts';
import { plural } from './format.ts';
import { isAbort } from './problems.ts';
import { href, state } from './state.ts';

/** Typing pauses this long before a question is taken for one, milliseconds. */
const PAUSE_MS = 350;
const QUOTES_MAX = 2;
/** Below it the column is not beside the results but under them, where it is of no use. */
const BESIDE = matchMedia('(min-width: 1181px)');

export class AnswerCard {
  readonly element = el('section', { class: 'card', 'aria-label': 'Answer', hidden: true });
  private readonly passages: Collection;

  constructor(passages: Collection) {
    this.passages = passages;
  }

  hide(): void {
    this.element.hidden = true;
  }

  /** Answers `words` if they are a question; without an answer there is no card. */
  async update(words: string, where: Where | undefined, signal: AbortSignal): Promise<void> {
    if (!BESIDE.matches || !isQuestion(words)) return this.hide();
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    if (signal.aborted) return;
    try {
      const answer = await ask(this.passages, words, { when: 'strict', signal, ...(where && { where }) });
      const citations = await answer.citations;
      if (signal.aborted) return;
      const quotes = citations.flatMap((citation) => (citation.supported ? [citation] : [])).slice(0, QUOTES_MAX);
      this.element.hidden = quotes.length === 0;
      replace(
        this.element,
        el('h2', {}, `Answer, from ${plural(new Set(quotes.map(({ source }) => source)).size, 'passage')}`),
        ...quotes.map(({ source, quote, documentId, start, end }) =>
          el(
            'blockquote',
            {},
            el('p', {}, quote.replace(/\s+/g, ' ')),
            el(
              'footer',
              {},
              el(
                'a',
                { href: href({ ...state(), reading: { document: documentId, start, end } }), 'data-go': true },
                answer.sources[source]!.title,
              ),
            ),
          ),
        ),
        el(
          'p',
          { class: 'meta' },
          el('span', {}, 'Quoted, word for word'),
          el('a', { href: href({ ...state(), view: 'ask', words }), 'data-go': true }, 'Ask'),
        ),
      );
    } catch (error) {
      if (!isAbort(error)) this.hide(); // the results are there without it
    }
  }
}

/** "Why did …", "… slavery?": more than a word or two that ask something. */
function isQuestion(words: string): boolean {
  const count = words.trim().split(/\s+/).length;
  return (
    count >= 3 &&
    (/\?\s*$/.test(words) || /^(who|what|when|where|why|how|which|did|does|is|are|was|were)\b/i.test(words.trim()))
  );
}
