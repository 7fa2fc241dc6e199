// Ask: a question, an answer as it is written, its sources beside it. Each further question is one more turn below; Stop
// is there as long as something runs. Without a language model the answer is made of quotations, and says so.
import type { Collection } from 'piramid';
import { Turn } from './answer.ts';
import { byId, el, replace } from './dom.ts';
import { type Filters, inWords, whereOf } from './fields.ts';
import { plural } from './format.ts';
import { languageModels } from './language-models.ts';
import { isAbort, sentence } from './problems.ts';
import { go, href, state } from './state.ts';

const EXAMPLES = [
  'What did Lincoln say about slavery?',
  'What did Roosevelt say about fear?',
  'Why did Polk go to war with Mexico?',
  'How many war vessels were launched?',
];
const QUOTATIONS = '';
const MODEL_KEY = 'piramid-demo-model';

export class AskView {
  readonly element = el('section', { class: 'ask', 'aria-label': 'Answers' });
  private readonly passages: Collection;
  private readonly turns = el('div', { class: 'turns' });
  private readonly invitation = el('div', { class: 'invitation' });
  private readonly followUp: HTMLFormElement;
  private readonly further = el('input', {
    type: 'text',
    class: 'field',
    'aria-label': 'Follow-up question',
    placeholder: 'Follow-up question',
    autocomplete: 'off',
    maxlength: '2000',
  });
  private readonly stop = el('button', { type: 'button', class: 'button', hidden: true }, 'Stop');
  private readonly picker = el('select', { class: 'field', 'aria-label': 'Who answers' });
  private running: AbortController | undefined;
  private asked: { words: string; filters: Filters } | undefined;
  private isFollowUp = false;

  constructor(passages: Collection) {
    this.passages = passages;
    this.stop.addEventListener('click', () => this.running?.abort());
    this.picker.append(el('option', { value: QUOTATIONS }, 'Quotations, no language model'));
    this.picker.addEventListener('change', () => localStorage.setItem(MODEL_KEY, this.picker.value));
    const picker = el('label', { class: 'picker soft', hidden: true }, 'Answered by ', this.picker);
    this.followUp = el(
      'form',
      { class: 'follow-up' },
      this.further,
      el('button', { type: 'submit', class: 'button main' }, 'Ask'),
      this.stop,
    );
    this.followUp.addEventListener('submit', (event) => {
      event.preventDefault();
      const words = this.further.value.trim();
      if (words === '') return;
      this.further.value = '';
      this.isFollowUp = true;
      this.asked = undefined;
      go({ words });
    });
    replace(this.element, this.turns, this.invitation, this.followUp, picker);
    languageModels().then((names) => {
      this.picker.append(...names.map((name) => el('option', { value: name }, name)));
      const chosen = localStorage.getItem(MODEL_KEY);
      if (chosen && names.includes(chosen)) this.picker.value = chosen;
      picker.hidden = names.length === 0;
    });
  }

  /** Shows the answer to `words`; asks if it is another question, or asked of other documents. */
  async update(words: string, filters: Filters): Promise<void> {
    const question = words.trim();
    if (question === '') return this.invite();
    this.invitation.hidden = true;
    this.followUp.hidden = false;
    if (this.asked?.words === question && same(this.asked.filters, filters)) {
      this.last?.showSources();
      return;
    }
    this.asked = { words: question, filters };
    await this.ask(question, filters);
  }

  /** The same question once more: Enter in the box asks again. */
  askAgain(): void {
    this.asked = undefined;
  }

  private last: Turn | undefined;

  private async invite(): Promise<void> {
    this.running?.abort();
    this.asked = undefined;
    this.invitation.hidden = false;
    this.followUp.hidden = true;
    replace(this.turns);
    replace(byId('beside'));
    const total = await this.passages.count(whereOf(state().filters));
    replace(
      this.invitation,
      el(
        'p',
        { class: 'soft num' },
        `Ask a question of ${plural(total, 'passage')}. The answer says where each of its sentences stands.`,
      ),
      el(
        'ul',
        {},
        ...EXAMPLES.map((example) =>
          el(
            'li',
            {},
            el('a', { href: href({ ...state(), words: example, reading: undefined }), 'data-go': true }, example),
          ),
        ),
      ),
    );
  }

  private async ask(question: string, filters: Filters, author = this.picker.value): Promise<void> {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    if (!this.isFollowUp) replace(this.turns);
    const isFollowUp = this.isFollowUp;
    this.isFollowUp = false;
    const turn = new Turn(question);
    turn.onQuote = () => {
      this.isFollowUp = true;
      void this.ask(question, filters, QUOTATIONS);
    };
    this.last = turn;
    this.turns.append(turn.element);
    if (isFollowUp) turn.element.scrollIntoView({ block: 'start' });
    this.stop.hidden = false;
    try {
      turn.setScope(scope(filters));
      await turn.run(this.passages, {
        question,
        model: author === QUOTATIONS ? undefined : author,
        where: whereOf(filters),
        signal: running.signal,
      });
    } catch (error) {
      if (isAbort(error)) turn.stopped();
      else turn.failed(sentence(error), () => void this.ask(question, filters));
    } finally {
      if (this.running === running) this.stop.hidden = true;
    }
  }
}

/** Of which documents was asked, in words; empty for all. */
function scope(filters: Filters): string {
  const parts = Object.values(filters).map(inWords);
  return parts.length > 0 ? `Asked of ${parts.join(' · ')} only` : '';
}

function same(a: Filters, b: Filters): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
