// Mutants of what is promised of several tabs, and of a database that the browser lost.
import { breaking } from './mutant.ts';

const WORLDS = 'test/faults/tabs.test.ts';
const LOSSLESS = [WORLDS, 'tabs of a simulated browser lose nothing'] as const;
const SILENT = [WORLDS, 'a leader that stands still without a word'] as const;
const CLOSING = [WORLDS, 'calls that run in a leader as it closes'] as const;
const CALLS = 'test/unit/worker/calls.test.ts';
const TERM = 'test/unit/worker/term.test.ts';
const VALID = 'test/unit/worker/messages.test.ts';
const WITNESS = 'test/unit/witness.test.ts';

export const tabs = [
  ...breaking('src/worker/tabs/valid.ts', VALID, [
    ['a hello without a name is ignored', "(type === 'hello' && isId(client))", "type === 'hello'"],
    ['a call of an unknown method is ignored', 'Object.hasOwn(METHODS, String(method))', 'String(method) in METHODS'],
    ['a call without a number is ignored', '[call, settled].every(Number.isInteger)', 'true'],
    ['null is no message', "typeof data === 'object' && data !== null", "typeof data === 'object'"],
    ['a welcome is whole', 'notices.every(isNotice)', 'true'],
    ['a welcome of another release is known by its number', 'return Number.isInteger(protocol);', 'return false;'],
    ['an error has a message', "typeof fieldsOf(error).message === 'string'", 'true'],
  ]),
  ...breaking('src/worker/tabs/term.ts', TERM, [
    [
      'a proof of office holds for 200 ms, and no longer',
      'begun - this.#provenAt < LEASE_MS',
      'begun - this.#provenAt <= LEASE_MS',
    ],
    [
      'a proof that a freeze cut in two proves nothing',
      '!this.#proof || begun - this.#proof.begun >= LEASE_MS',
      '!this.#proof',
    ],
    ['a proof holds from when it was begun', 'this.#provenAt = begun;', 'this.#provenAt = this.#now();'],
    ['who has been replaced answers nothing', 'if (isTakenOver(error)) throw error;', ''],
  ]),
  ...breaking('src/worker/locks.ts', TERM, [['who has left is not alone', 'return isHeld && held', 'return held']]),
  ...breaking('src/worker/tabs/term.ts', WORLDS, [
    [
      'who takes over waits until no old proof holds',
      'if (this.#opener && !(await this.#opener.isAlone())) await this.#wait(LEASE_MS);',
      '',
    ],
  ]),
  ...breaking(
    'src/worker/tabs/office.ts',
    [WORLDS, 'the next tab answers within half a second'],
    [['a frozen leader is taken over from', '          this.seize();', '']],
  ),
  ...breaking('src/worker/tabs/tab.ts', LOSSLESS, [
    ['what has no answer is sent to the next leader', 'if (call.place === null) this.#dispatch(call);', ''],
  ]),
  ...breaking('src/worker/tabs/leader.ts', LOSSLESS, [
    [
      'a forwarded write is known by its client',
      "METHODS[method] === 'write' ? () =>",
      "METHODS[method] === 'plain' ? () =>",
    ],
  ]),
  ...breaking('src/worker/tabs/calls.ts', CALLS, [
    [
      'a write is settled when it has its answer',
      'if (isWrite(call)) return call.number;',
      'if (isWrite(call)) return call.number + 1;',
    ],
  ]),
  ...breaking('src/worker/tabs/tab.ts', SILENT, [['a silent leader is taken over from', 'this.#office!.seize();', '']]),
  ...breaking('src/worker/tabs/tab.ts', CALLS, [
    [
      'a write keeps its number when it is sent again',
      'client: client!, call: call.number, settled',
      'client: client!, call: Math.random() * 2 ** 31, settled',
    ],
  ]),
  ...breaking('src/worker/tabs/leader.ts', CLOSING, [
    ['that a leader closes is no answer', 'else if (!(this.#closing &&', 'else if (!(false &&'],
  ]),
  ...breaking('src/api/witness.ts', WITNESS, [
    ['a database that the browser lost is told', 'all.find(({ records }) => records > 0)', 'undefined'],
    ['lost writes are told', 'generation > now.generation || log > now.log', 'generation > now.generation'],
    ['what the witnesses know is brought up to date', '    this.#keepBusy(this.#write(now));', ''],
  ]),
];
