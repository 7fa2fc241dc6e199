// What reads words of other languages than English: loaded once per worker, when a collection needs it.
import { PiramidError } from '../errors.ts';
import {
  type AnalysisId,
  BY_SCRIPT,
  ENGLISH,
  hasOtherScript,
  needsStemmers,
  provideStemmers,
  type Stemmers,
} from '../text/analyzer.ts';
import type { CollectionState } from './collection.ts';

/** Imports a script that the page says where to find. */
export type ImportAsset = (file: string) => Promise<unknown>;

/** Where there is no page to ask. */
export const noAssets: ImportAsset = () => Promise.reject(new Error('there is no page to ask for it'));

const FILE = 'stemmers.js';
/** How long a call waits for the file, and those behind it, milliseconds. */
const PATIENCE_MS = 10_000;

export class Languages {
  readonly #importAsset: ImportAsset;
  #loading: Promise<void> | null = null;
  #isMissing = false;

  constructor(importAsset: ImportAsset) {
    this.#importAsset = importAsset;
  }

  /** Settles when words of such an analysis can be read. Throws `UNSUPPORTED`. */
  async ready(analysis: AnalysisId): Promise<void> {
    if (!needsStemmers(analysis)) return;
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    await this.#loading;
  }

  /**
   * The analysis that a collection of no told language is to have from now on, because there are words of other scripts in `texts`; null
   * for the one that it has. Where stemmers cannot be loaded it stays so until the database is opened again.
   */
  async wantedFor(state: CollectionState, texts: readonly (string | null)[]): Promise<AnalysisId | null> {
    if (state.analysis !== ENGLISH || state.stored.config.language || this.#isMissing) return null;
    if (!texts.some((text) => text !== null && hasOtherScript(text))) return null;
    const isReady = await this.ready(BY_SCRIPT).then(
      () => true,
      () => false,
    );
    if (isReady) return BY_SCRIPT;
    this.#isMissing = true;
    console.warn(
      `Piramid: words of other scripts are indexed as they stand, without their endings taken off: ${FILE} could not be loaded. The option \`assets\` of open() says where it is.`,
    );
    return null;
  }

  async #load(): Promise<void> {
    try {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`it did not come within ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
      });
      const module = (await Promise.race([this.#importAsset(FILE), late]).finally(() =>
        clearTimeout(timer),
      )) as Stemmers;
      if (typeof module?.stemmers !== 'object' || typeof module.stopWords !== 'object')
        throw new Error(`${FILE} is another file`);
      provideStemmers(module);
    } catch (error) {
      throw new PiramidError(
        'UNSUPPORTED',
        `words of this language need ${FILE}, which could not be loaded (${error instanceof Error ? error.message : error}). Serve it beside the bundle, or say where it is by the option \`assets\` of open().`,
        { cause: error },
      );
    }
  }
}
