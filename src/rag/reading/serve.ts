// The reader's side: answers each document with what its library makes of it.
import { PiramidError } from '../../errors.ts';
import { LIBRARIES } from './libraries.ts';
import type { Answer, Question } from './messages.ts';

interface Scope {
  onmessage: ((event: MessageEvent<Question>) => void) | null;
  postMessage(answer: Answer): void;
}

/** Makes a reader of the worker that calls it. */
export function serve(): void {
  const scope = globalThis as unknown as Scope;
  scope.onmessage = async ({ data: { kind, source } }) => {
    try {
      scope.postMessage({ read: await LIBRARIES[kind](source) });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      scope.postMessage({ error: error instanceof PiramidError ? { code: error.code, message } : { message } });
    }
  };
  scope.postMessage({ ready: true });
}
