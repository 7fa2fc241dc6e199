// What the models of a browser have in common: whether there is one, its download, and its failures in words that help.
import { type ErrorCode, PiramidError } from '../../errors.ts';
import type { BrowserModelOptions } from '../browser-models.ts';

/** A kind of model that browsers may bring. */
export interface BuiltIn {
  /** Name of the global. */
  name: 'LanguageModel' | 'SemanticEmbedder';
  /** In a sentence: "the browser's ...". */
  called: string;
  /** Where it can be had, and what to do without. */
  advice: string;
}

type Availability = 'unavailable' | 'downloadable' | 'downloading' | 'available';

/** What all these globals have. */
interface Factory<Session> {
  availability(options: object): Promise<Availability>;
  create(options: object): Promise<Session>;
}

interface Monitor {
  addEventListener(type: 'downloadprogress', listener: (event: { loaded: number }) => void): void;
}

/** Whether it is there, or can be downloaded; `UNSUPPORTED` if neither. */
export async function availability(kind: BuiltIn, options: object): Promise<Availability> {
  const factory = factoryOf(kind);
  let state: Availability;
  try {
    state = await factory.availability(options);
  } catch (error) {
    throw explain(error, kind);
  }
  if (state !== 'unavailable') return state;
  throw unsupported(
    kind,
    `the browser has no ${kind.called} for this page: the device may have too little memory or disk, or a policy or setting may forbid it`,
  );
}

/** A session of it, downloaded first where it has to be. */
export async function create<Session>(
  kind: BuiltIn,
  options: object,
  { signal, onProgress }: BrowserModelOptions,
): Promise<Session> {
  throwIfAborted(signal);
  const monitor = (monitored: Monitor) =>
    monitored.addEventListener('downloadprogress', ({ loaded }) =>
      onProgress?.({ model: 'browser', file: kind.name, loadedBytes: loaded, totalBytes: 1 }),
    );
  try {
    return await (factoryOf(kind) as Factory<Session>).create({ ...options, monitor, ...(signal && { signal }) });
  } catch (error) {
    throwIfAborted(signal);
    throw explain(error, kind);
  }
}

function factoryOf(kind: BuiltIn): Factory<unknown> {
  const factory = (globalThis as unknown as Record<string, Factory<unknown> | undefined>)[kind.name];
  if (factory) return factory;
  if (globalThis.isSecureContext === false) throw unsupported(kind, `the browser's ${kind.called} needs https`);
  throw unsupported(kind, `there is no ${kind.called} here (${kind.name} is missing)`);
}

function unsupported({ advice }: BuiltIn, why: string): PiramidError {
  return new PiramidError('UNSUPPORTED', `${why}; ${advice}`);
}

/** Throws `ABORTED` if the signal has fired. (That of `documents` would be torn out of the entry's file, and fetched by itself.) */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new PiramidError('ABORTED', 'the call was cancelled by its signal', { cause: signal.reason });
}

/** What browsers reject with, by the names of `DOMException`s. */
export function explain(error: unknown, kind: BuiltIn): PiramidError {
  if (error instanceof PiramidError) return error;
  const { name, message } = Object(error) as { name?: string; message?: string };
  const failed = (why: string, code: ErrorCode = 'MODEL_FAILED') =>
    new PiramidError(code, `the browser's ${kind.called} ${why}`, { cause: error });
  switch (name) {
    case 'NotAllowedError':
      return failed(
        'is downloaded only after a click or key press, and where no policy forbids it: call this from such an event',
      );
    case 'NetworkError':
      return failed('could not be downloaded; check the network, and try again');
    case 'NotSupportedError':
      return failed(`does not support this (${message}); ${kind.advice}`, 'UNSUPPORTED');
    case 'QuotaExceededError':
      return failed(
        'cannot read so much at once; give it less (of `ask`: a shorter question, or fewer `sourceTokens`)',
      );
    case 'InvalidStateError':
      return failed(`has been ended, or is not ready yet (${message}); try again`);
    default:
      return failed(`failed: ${error}`);
  }
}
