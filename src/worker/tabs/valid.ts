// Whether what comes over a channel is ours. Any script of the origin can post there, and another library may use the same
// name: whatever is not a message of this release is ignored.
import { type BoardMessage, type FollowerMessage, type LeaderMessage, METHODS, TABS_PROTOCOL } from './messages.ts';

type Fields = { readonly [name: string]: unknown };

export function isBoardMessage(data: unknown): data is BoardMessage {
  const { type, client, leader } = fieldsOf(data);
  return type === 'busy' || (type === 'hello' && isId(client)) || (type === 'leader' && isId(leader));
}

export function isFollowerMessage(data: unknown): data is FollowerMessage {
  const { type, leader, call, method, args, settled } = fieldsOf(data);
  if (!isId(leader)) return false;
  if (type === 'call')
    return Object.hasOwn(METHODS, String(method)) && Array.isArray(args) && [call, settled].every(Number.isInteger);
  return type === 'bye' || (type === 'cancel' && Number.isInteger(call));
}

export function isLeaderMessage(data: unknown): data is LeaderMessage {
  const { type, leader, call, error, event, notice, ...welcome } = fieldsOf(data);
  if (!isId(leader)) return false;
  if (type === 'welcome') return isWelcome(welcome);
  if (type === 'notice') return isNotice(notice);
  if (!Number.isInteger(call)) return false;
  return (
    type === 'answer' ||
    (type === 'error' && typeof fieldsOf(error).message === 'string') ||
    (type === 'event' && typeof fieldsOf(event).type === 'string')
  );
}

/** One of another release is known by its number alone. */
function isWelcome({ protocol, device, uuid, keyBlock, notices }: Fields): boolean {
  if (protocol !== TABS_PROTOCOL) return Number.isInteger(protocol);
  return (
    typeof device === 'string' &&
    typeof uuid === 'string' &&
    (keyBlock === null || keyBlock instanceof ArrayBuffer) &&
    Array.isArray(notices) &&
    notices.every(isNotice)
  );
}

function isNotice(notice: unknown): boolean {
  return typeof fieldsOf(notice).name === 'string' && fieldsOf(notice).detail !== undefined;
}

function isId(value: unknown): boolean {
  return typeof value === 'string' && /^[0-9a-f-]{36}$/.test(value);
}

function fieldsOf(data: unknown): Fields {
  return typeof data === 'object' && data !== null ? (data as Fields) : {};
}
