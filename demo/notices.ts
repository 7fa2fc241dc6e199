// What the database says by itself: that the storage is full, that something stored is damaged, that the browser lost it.
import type { Damage, Database } from 'piramid';
import { plural } from './format.ts';
import { sentence, showProblem } from './problems.ts';

const DAMAGED: { readonly [what in Damage['what']]: string } = {
  records: 'passages',
  vectors: 'passages, which are still found by their words,',
  texts: 'texts',
  metadata: 'details of passages',
  deletions: 'passages that were deleted',
  nothing: 'an index of words',
};

/** `refresh`: shows anew what is there. */
export function watchNotices(db: Database, refresh: () => Promise<void>): void {
  db.on('readonly', () => {
    showProblem('There is no room left to store anything. What is here is still found, and can be deleted.', {
      label: 'Try again',
      run: () => void tryAgain(db),
    });
  });
  db.on('damage', ({ what }) => {
    showProblem(`Some of what this browser stored has been damaged: ${DAMAGED[what]}. All else is found.`, {
      label: 'Repair',
      run: () => void repair(db, refresh),
    });
  });
  db.on('dataloss', ({ recordsBefore }) => {
    showProblem(
      `This browser has lost ${recordsBefore === undefined ? 'passages' : plural(recordsBefore, 'passage')} that it had stored. Your own files have to be added again.`,
    );
  });
}

async function tryAgain(db: Database): Promise<void> {
  if (!(await db.retryWrites()))
    showProblem('There is still no room.', { label: 'Try again', run: () => void tryAgain(db) });
}

async function repair(db: Database, refresh: () => Promise<void>): Promise<void> {
  try {
    await db.repair();
    await refresh();
    showProblem('Repaired: what was damaged has been taken out, and made anew where that was possible.');
  } catch (error) {
    showProblem(`It could not be repaired. ${sentence(error)}`);
  }
}
