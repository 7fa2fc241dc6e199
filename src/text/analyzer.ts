// How texts become terms, in versions and languages. Postings say by which analysis they were made, and a query of them is read in the
// same way.
import { PiramidError } from '../errors.ts';
import type { Language } from '../types.ts';
import { english, stemEnglish } from './english.ts';
import { fold } from './normalize.ts';
import { STOP_WORDS } from './stop-words.ts';
import { Tokenizer } from './tokenize.ts';
import { tokenize as tokenizeOfVersion1 } from './tokenize-1.ts';

/** Names an analysis in postings and in a collection's configuration: version + 256 * first letter of the language + 65536 * second. */
export type AnalysisId = number;

export interface Analyzer {
  readonly id: AnalysisId;
  /** The terms of a text, in order, repeated as often as they occur. */
  tokenize(text: string): string[];
  /** The terms that a query asks for. */
  queryTerms(query: string): string[];
  /** Whether a lowercase word says nothing of what a question is about. */
  isStop(word: string): boolean;
}

/** What `stemmers.js` exports, by language. */
export interface Stemmers {
  stemmers: { readonly [language: string]: (word: string) => string };
  stopWords: { readonly [language: string]: readonly string[] };
}

const VERSION = 2;
/** English; words of other scripts as they stand. */
export const ENGLISH: AnalysisId = VERSION;
/** Each word by its script. */
export const BY_SCRIPT: AnalysisId = analysisOf('**');

/** Scripts that have a stemmer, and the language that is taken for granted where none is told. */
const SCRIPTS: readonly [language: string, letters: RegExp][] = [
  ['el', /[\u0370-\u03ff\u1f00-\u1fff]/],
  ['ru', /[\u0400-\u052f]/],
  ['hy', /[\u0530-\u058f]/],
  ['ar', /[\u0600-\u06ff]/],
  ['hi', /[\u0900-\u097f]/],
  ['ta', /[\u0b80-\u0bff]/],
];
/** Languages that are written in one of them, instead of the one taken for granted. */
const SCRIPT_OF: { readonly [language: string]: string } = { bg: 'ru', sr: 'ru', ne: 'hi' };
const OF_SOME_SCRIPT = new RegExp(SCRIPTS.map(([, { source }]) => source).join('|'));

let stemmers: Stemmers | null = null;
const analyzers = new Map<AnalysisId, Analyzer>();

/** `language`: two letters. */
export function analysisOf(language: Language | '**'): AnalysisId {
  if (language === 'en') return ENGLISH;
  const [first, second] = language === 'none' ? '--' : language;
  return VERSION + first!.charCodeAt(0) * 0x100 + second!.charCodeAt(0) * 0x10000;
}

/** Whether a text has words that a stemmer of their script would read, and `ENGLISH` does not. */
export function hasOtherScript(text: string): boolean {
  return OF_SOME_SCRIPT.test(text);
}

/** Whether an analysis needs what `provideStemmers` brings. */
export function needsStemmers(id: AnalysisId): boolean {
  return id > 0xff && id !== analysisOf('none') && stemmers === null;
}

/** Null takes them away again. */
export function provideStemmers(provided: Stemmers | null): void {
  stemmers = provided;
}

/** Throws `UNSUPPORTED` for one whose stemmers are not there, or that this release does not know. */
export function analyzerOf(id: AnalysisId): Analyzer {
  let analyzer = analyzers.get(id);
  if (!analyzer) {
    analyzer = createAnalyzer(id);
    analyzers.set(id, analyzer);
  }
  return analyzer;
}

function createAnalyzer(id: AnalysisId): Analyzer {
  if (id === 0) return { id, tokenize: tokenizeOfVersion1, queryTerms: tokenizeOfVersion1, isStop: () => false };
  const language = id === ENGLISH ? 'en' : String.fromCharCode((id >>> 8) & 0xff, (id >>> 16) & 0xff);
  if ((id & 0xff) !== VERSION || needsStemmers(id)) {
    const why =
      (id & 0xff) !== VERSION
        ? `version ${id & 0xff}, which this release does not know`
        : `language '${language}', and stemmers.js could not be loaded; say where it is by the option \`assets\` of open()`;
    throw new PiramidError(
      'UNSUPPORTED',
      `words are indexed by ${why}. Vectors, filters and records are not affected.`,
    );
  }
  const tokenizer = language === 'en' ? english : tokenizerOf(language);
  return {
    id,
    tokenize: (text) => tokenizer.tokenize(text),
    queryTerms: (query) => tokenizer.queryParts(query).map(({ term }) => term),
    isStop: (word) => tokenizer.isStop(word),
  };
}

function tokenizerOf(language: string): Tokenizer {
  if (language === '--') return new Tokenizer(fold, new Set());
  const known = stemmers!;
  if (language !== '**' && !Object.hasOwn(known.stemmers, language))
    throw new PiramidError('UNSUPPORTED', `stemmers.js has no language '${language}'; it is of another release`);
  const languageOf = new Map(SCRIPTS.map(([inScript]) => [inScript, inScript]));
  const script = SCRIPT_OF[language] ?? language;
  const isLatin = language !== '**' && !languageOf.has(script);
  if (languageOf.has(script)) languageOf.set(script, language);
  const latin = isLatin ? known.stemmers[language]! : stemEnglish;
  const stems = SCRIPTS.map(([inScript, letters]) => [letters, known.stemmers[languageOf.get(inScript)!]!] as const);
  const stopWords = new Set(isLatin ? [] : STOP_WORDS);
  for (const spoken of isLatin ? [language, ...languageOf.values()] : languageOf.values())
    for (const word of known.stopWords[spoken] ?? []) stopWords.add(word);
  return new Tokenizer((word) => {
    const ofScript = OF_SOME_SCRIPT.test(word) ? stems.find(([letters]) => letters.test(word)) : undefined;
    return fold((ofScript?.[1] ?? latin)(word));
  }, stopWords);
}
