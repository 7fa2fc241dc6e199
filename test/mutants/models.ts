// Mutants of what models are given, and of what is done with what they say.
import { breaking } from './mutant.ts';

const RERANK = 'test/browser/api/rerank.test.ts';

const BROWSER = 'test/unit/rag/browser-models.test.ts';

export const models = [
  ...breaking('src/models/transformers-reranker.ts', RERANK, [
    ['a text cannot pass for a special token', 'harmless(text, specialTokens)', 'text'],
    ['reranking lets others in between two texts', '      await nextTask();\n', ''],
    ['the text is cut, not the query', 'room - text.length)', 'room)'],
    ['a reranker that prefers what is off the subject is refused', '!(right! > wrong!)', 'right === wrong'],
  ]),
  ...breaking('src/api/reorder.ts', RERANK, [
    ['what is read is the text behind its context', 'readAs(withContext(text, context))', 'text'],
    ['what has no text comes last', 'Number.NEGATIVE_INFINITY', '0'],
    ['only what is selected is returned', 'if (!select.includes(field)) delete', 'if (!select) delete'],
    ['a list that was cut is not complete', 'matches.complete &&=', 'matches.complete ||='],
  ]),
  ...breaking('src/api/input.ts', RERANK, [
    ['at least as many are reranked as are asked for', 'Math.max(wanted, ', 'Math.min(wanted, '],
  ]),
  ...breaking('src/api/run-on-page.ts', RERANK, [
    ['scores are finite numbers', '!Number.isFinite(score)', 'score === undefined'],
  ]),
  ...breaking('src/rag/browser/generator.ts', BROWSER, [
    ['an answer has its room in the window', 'used + MARGIN_TOKENS + maxTokens', 'used'],
    ['an answer that is long enough is ended', '        await reader.cancel();\n', ''],
    ['a piece is cut at the length that is asked for', 'value.length > left', 'false'],
    ['one session measures for an answer', 'if (signal) meters.set(signal, meter);', ''],
    ['the session that measures is ended', '      await retire(signal);\n      // Rules', '      // Rules'],
    ['a session is not ended under a measurement', 'meter.uses === 0 && ', ''],
    ['a model that has to be downloaded is downloaded first', "!== 'available')", "=== 'available')"],
  ]),
  ...breaking('src/rag/ask.ts', BROWSER, [
    ['sources are shortened to what a model can read', '      messages = prompt(room);\n    }', '    }'],
  ]),
  ...breaking('src/rag/browser/embedder.ts', BROWSER, [
    ['a space is known though its numbers differ a little', 'SAME_MIN = 0.99', 'SAME_MIN = 0.99999'],
    ['another model is another space', 'SAME_MIN = 0.99', 'SAME_MIN = 0.1'],
    ['a text that is too long is cut', 'if (!isTooLong(error) || ', 'if (true || '],
  ]),
];
