// Which messages between tabs are ours. What is not is ignored.
import { expect, test } from 'vitest';
import { TABS_PROTOCOL } from '../../../src/worker/tabs/messages.ts';
import { isBoardMessage, isFollowerMessage, isLeaderMessage } from '../../../src/worker/tabs/valid.ts';

const ID = '01234567-89ab-4cde-8f01-23456789abcd';
const NOTICE = { name: 'writable', detail: null };
const WELCOME = {
  type: 'welcome',
  leader: ID,
  protocol: TABS_PROTOCOL,
  device: 'js',
  uuid: ID,
  keyBlock: null,
  notices: [NOTICE],
};
const CALL = { type: 'call', leader: ID, call: 7, method: 'query', args: [], settled: 3 };

test.each<[name: string, isOurs: (message: unknown) => boolean, ours: object[], others: unknown[]]>([
  [
    'on the board',
    isBoardMessage,
    [{ type: 'busy' }, { type: 'hello', client: ID }, { type: 'leader', leader: ID }],
    [null, undefined, 'busy', {}, { type: 'hello' }, { type: 'hello', client: 'me' }, { type: 'leader', leader: 7 }],
  ],
  [
    'of a follower',
    isFollowerMessage,
    [CALL, { type: 'bye', leader: ID }, { type: 'cancel', leader: ID, call: 7 }],
    [
      null,
      { ...CALL, leader: undefined },
      { ...CALL, method: 'toString' },
      { ...CALL, method: '__proto__' },
      { ...CALL, args: {} },
      { ...CALL, call: 1.5 },
      { ...CALL, settled: undefined },
      { type: 'cancel', leader: ID },
    ],
  ],
  [
    'of a leader',
    isLeaderMessage,
    [
      WELCOME,
      { ...WELCOME, keyBlock: new ArrayBuffer(8) },
      { type: 'welcome', leader: ID, protocol: TABS_PROTOCOL + 1 },
      { type: 'notice', leader: ID, notice: NOTICE },
      { type: 'answer', leader: ID, call: 7, value: undefined },
      { type: 'error', leader: ID, call: 7, error: { message: 'no' } },
      { type: 'event', leader: ID, call: 7, event: { type: 'progress' } },
    ],
    [
      null,
      { ...WELCOME, leader: 'x' },
      { ...WELCOME, protocol: undefined },
      { ...WELCOME, notices: [null] },
      { ...WELCOME, notices: undefined },
      { ...WELCOME, keyBlock: 'key' },
      { ...WELCOME, device: undefined },
      { type: 'notice', leader: ID, notice: { name: 'damage' } },
      { type: 'answer', leader: ID },
      { type: 'error', leader: ID, call: 7 },
      { type: 'event', leader: ID, call: 7, event: null },
    ],
  ],
])('a message %s', (_, isOurs, ours, others) => {
  for (const message of ours) expect(isOurs(message), JSON.stringify(message)).toBe(true);
  for (const message of others) expect(isOurs(message), JSON.stringify(message)).toBe(false);
});
