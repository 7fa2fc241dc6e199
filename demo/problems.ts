// Errors as sentences with a way out. Shows at most one problem at a time, above the columns.
import { PiramidError } from 'piramid';
import { byId, el, replace } from './dom.ts';

export interface Remedy {
  label: string;
  run: () => void;
}

const reload: Remedy = { label: 'Load the page again', run: () => location.reload() };

/** What went wrong, for a person, without its code. */
export function sentence(error: unknown): string {
  if (!(error instanceof PiramidError)) return error instanceof Error ? error.message : String(error);
  switch (error.code) {
    case 'BLOCKED':
      return 'Another tab of this browser has Piramid open and cannot share it. Close it there, then load this page again.';
    case 'QUOTA_EXCEEDED':
      return 'This site has used up the storage that the browser gives it. Delete documents in the Library, or allow more.';
    case 'STORAGE_FULL':
      return 'The disk is full. Make room on it, then try again.';
    case 'NEWER_FORMAT':
      return 'These documents were written by a newer version of Piramid. Load the page again to get that version.';
    case 'WORKER_FAILED':
    case 'TIMEOUT':
      return `The part of Piramid that searches has stopped. ${error.message}`;
    default:
      return capital(error.message);
  }
}

/** Shows a problem until it is dismissed or solved. */
export function showProblem(text: string, remedy: Remedy = reload): void {
  const box = byId('problem');
  const solve = () => {
    clearProblem();
    remedy.run();
  };
  replace(
    box,
    el('span', {}, text),
    el('button', { type: 'button', class: 'link', on: { click: solve } }, remedy.label),
    el('button', { type: 'button', class: 'link', on: { click: clearProblem } }, 'Dismiss'),
  );
  box.hidden = false;
}

export function clearProblem(): void {
  byId('problem').hidden = true;
}

/** Whether a call ended because someone stopped it. */
export function isAbort(error: unknown): boolean {
  return error instanceof PiramidError ? error.code === 'ABORTED' : (error as Error)?.name === 'AbortError';
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');
}
