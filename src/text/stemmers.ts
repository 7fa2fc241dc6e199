// `stemmers.js`: what takes the endings off words of other languages than English, and their stop words. Loaded by the worker when a
// collection needs it (`OpenOptions.assets`), because it is half as large as everything else together. Snowball's algorithms, generated
// to JavaScript by their authors' compiler, from @orama/stemmers: the one kept package that has Arabic, Greek, Hindi and Tamil as well.
import { stemmer as ar } from '@orama/stemmers/arabic';
import { stemmer as hy } from '@orama/stemmers/armenian';
import { stemmer as bg } from '@orama/stemmers/bulgarian';
import { stemmer as da } from '@orama/stemmers/danish';
import { stemmer as nl } from '@orama/stemmers/dutch';
import { stemmer as fi } from '@orama/stemmers/finnish';
import { stemmer as fr } from '@orama/stemmers/french';
import { stemmer as de } from '@orama/stemmers/german';
import { stemmer as el } from '@orama/stemmers/greek';
import { stemmer as hu } from '@orama/stemmers/hungarian';
import { stemmer as hi } from '@orama/stemmers/indian';
import { stemmer as id } from '@orama/stemmers/indonesian';
import { stemmer as ga } from '@orama/stemmers/irish';
import { stemmer as it } from '@orama/stemmers/italian';
import { stemmer as lt } from '@orama/stemmers/lithuanian';
import { stemmer as ne } from '@orama/stemmers/nepali';
import { stemmer as no } from '@orama/stemmers/norwegian';
import { stemmer as pt } from '@orama/stemmers/portuguese';
import { stemmer as ro } from '@orama/stemmers/romanian';
import { stemmer as ru } from '@orama/stemmers/russian';
import { stemmer as sr } from '@orama/stemmers/serbian';
import { stemmer as es } from '@orama/stemmers/spanish';
import { stemmer as sv } from '@orama/stemmers/swedish';
import { stemmer as ta } from '@orama/stemmers/tamil';
import { stemmer as tr } from '@orama/stemmers/turkish';
import { stopwords as daStop } from '@orama/stopwords/danish';
import { stopwords as nlStop } from '@orama/stopwords/dutch';
import { stopwords as fiStop } from '@orama/stopwords/finnish';
import { stopwords as frStop } from '@orama/stopwords/french';
import { stopwords as deStop } from '@orama/stopwords/german';
import { stopwords as elStop } from '@orama/stopwords/greek';
import { stopwords as itStop } from '@orama/stopwords/italian';
import { stopwords as noStop } from '@orama/stopwords/norwegian';
import { stopwords as ptStop } from '@orama/stopwords/portuguese';
import { stopwords as ruStop } from '@orama/stopwords/russian';
import { stopwords as svStop } from '@orama/stopwords/swedish';

/** By ISO 639-1 code. */
export const stemmers = {
  ...{ ar, hy, bg, da, nl, fi, fr, de, el, hu, hi, id, ga, it, lt, ne, no, pt, ro, ru, sr, es, sv, ta, tr },
};

/** Those of Snowball; other lists of that package hold nouns and verbs as well, or are garbled. */
export const stopWords = {
  ...{ da: daStop, nl: nlStop, fi: fiStop, fr: frStop, de: deStop, el: elStop, it: itStop, no: noStop, pt: ptStop },
  ...{ ru: ruStop, sv: svStop },
};

/** A worker takes the file of its own release only. */
export const release = `stemmers.js ${PIRAMID_BUILD}`;
