// The calls of a page that have no answer yet, in the order in which they came.
import type { CallId } from '../../protocol.ts';
import { METHODS, type Method } from './messages.ts';
import type { Running, Term } from './term.ts';

/** A call without an answer. */
export interface Call {
  number: CallId;
  /** The page's number, by which it cancels; null for calls that it does not number. */
  pageNumber: CallId | null;
  method: Method;
  args: readonly unknown[];
  /** Where it is being answered: in this worker's term, by a leader (its id), or nowhere yet. */
  place: Term | string | null;
  /** In `place`, where that is this worker. */
  running: Running | null;
  wasSent: boolean;
  isCancelled: boolean;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

export class Calls {
  readonly #open = new Map<CallId, Call>();
  #last: CallId = 0;

  add(method: Method, args: readonly unknown[], pageNumber: CallId | null): { call: Call; answer: Promise<unknown> } {
    const number = ++this.#last;
    const call = { number, pageNumber, method, args, place: null, running: null, wasSent: false, isCancelled: false };
    let added!: Call;
    const answer = new Promise((resolve, reject) => {
      added = { ...call, resolve, reject };
    });
    this.#open.set(number, added);
    return { call: added, answer };
  }

  get size(): number {
    return this.#open.size;
  }

  get all(): Call[] {
    return [...this.#open.values()];
  }

  get(number: CallId): Call | undefined {
    return this.#open.get(number);
  }

  /** Says whether it was there. */
  delete(call: Call): boolean {
    return this.#open.delete(call.number);
  }

  /** Below this number, every write has its answer. */
  settledWrites(): CallId {
    for (const call of this.#open.values()) if (isWrite(call)) return call.number;
    return this.#last + 1;
  }

  /** When the writes have their answers that are under way now. */
  async writesAnswered(): Promise<void> {
    await Promise.all(this.all.filter(isWrite).map((call) => answered(call)));
  }
}

export function isWrite({ method }: Call): boolean {
  return METHODS[method] === 'write';
}

function answered(call: Call): Promise<void> {
  const { resolve, reject } = call;
  return new Promise((settle) => {
    call.resolve = (value) => {
      resolve(value);
      settle();
    };
    call.reject = (error) => {
      reject(error);
      settle();
    };
  });
}
