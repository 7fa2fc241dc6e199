// What crosses between a page and its reader. A reader says that it is ready; then each question has one answer.
import type { ErrorCode } from 'piramid';
import type { Kind } from './libraries.ts';

/** The name of the worker, by which a script tag's script knows that it is one. */
export const READER = 'piramid-reader';

/** The address of a script tag's script, which it has while it is loaded; undefined in a worker. */
export const HERE = (globalThis.document?.currentScript as HTMLScriptElement | null | undefined)?.src;

export interface Question {
  kind: Kind;
  source: string;
}

export type Answer = { ready: true } | { read: unknown } | { error: { code?: ErrorCode; message: string } };
