// What reads words of other languages than English: loaded once per worker, when a collection needs it.
import {
  type AnalysisId,
  BY_SCRIPT,
  ENGLISH,
  hasOtherScript,
  needsStemmers,
  provideStemmers,
} from '../text/analyzer.ts';
import { type ImportAsset, loadCode } from './assets.ts';
import type { CollectionState } from './collection.ts';

const FILE = 'stemmers.js';

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
    provideStemmers(await loadCode(this.#importAsset, FILE, 'words of this language need'));
  }
}
