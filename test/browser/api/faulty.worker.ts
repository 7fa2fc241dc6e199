// The engine's worker with faults, told over a channel that the worker's name names. Faults happen once, at a moment that
// tests could not hit from outside.
import '../../../src/worker/worker.ts';
import { type Fault, NO_LOCKS } from './faults.ts';

if (self.name.startsWith(NO_LOCKS)) Object.defineProperty(navigator, 'locks', { value: undefined });

let dies = false;
let timesOut = false;
let freezeBeforeCommitMs = 0;

function freeze(ms: number): void {
  for (const end = performance.now() + ms; performance.now() < end; );
}

const control = new BroadcastChannel(self.name);
control.onmessage = ({ data: fault }: MessageEvent<Fault>) => {
  control.postMessage('understood');
  if (fault === 'die before the next answer') dies = true;
  else if (fault === 'time out') timesOut = true;
  else if ('freezeMs' in fault) freeze(fault.freezeMs);
  else freezeBeforeCommitMs = fault.freezeBeforeCommitMs;
};

const { postMessage } = BroadcastChannel.prototype;
BroadcastChannel.prototype.postMessage = function (message) {
  if (dies && message.type === 'answer') self.close();
  else postMessage.call(this, message);
};

const { transaction } = IDBDatabase.prototype;
IDBDatabase.prototype.transaction = function (stores, mode, options) {
  if (mode === 'readwrite') {
    freeze(freezeBeforeCommitMs);
    freezeBeforeCommitMs = 0;
  }
  const begun = transaction.call(this, stores, mode, options);
  if (mode === 'readwrite' && timesOut) {
    timesOut = false;
    const error = new DOMException('Transaction timed out due to inactivity.', 'TimeoutError');
    Object.defineProperty(begun, 'error', { value: error });
    begun.commit = () => begun.abort();
  }
  return begun;
};
