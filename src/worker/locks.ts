// Web Locks of the worker: one says that the worker lives, one that it leads a database, one that it may still write to it.
// Where the browser or the context has no locks (plain http), there is no token, and nobody asks for the other ones.
import { awakeLockName, lifeLockName } from '../protocol.ts';
import type { Locks, Platform } from './platform.ts';

/** Holds a lock until the worker ends, and returns the token that names it; null without Web Locks. */
export async function holdLifeLock({ locks, newId }: Platform): Promise<string | null> {
  if (!locks) return null;
  const token = newId();
  return new Promise((resolve) => {
    locks
      .request(lifeLockName(token), {}, () => {
        resolve(token);
        return new Promise(() => {});
      })
      .catch(() => resolve(null)); // a context without access to locks, such as a sandboxed frame
  });
}

/**
 * Waits for the database, then holds it until the promise that `hold` returns settles. Resolves after that; rejects when
 * the signal fires first, and when another worker takes the database away. `steal`: takes it from whoever has it.
 */
export async function holdDatabase(
  locks: Locks,
  name: string,
  { steal, signal }: { steal: boolean; signal: AbortSignal },
  hold: () => Promise<void>,
): Promise<void> {
  await locks.request(databaseLockName(name), steal ? { steal } : { signal }, hold);
}

/** Takes turns with other workers in taking a database by force; waits for another one until the signal fires at most. */
export async function inTurn(locks: Locks, name: string, late: AbortSignal, run: () => Promise<void>): Promise<void> {
  let isBegun = false;
  const begin = () => {
    isBegun = true;
    return run();
  };
  await locks.request(`piramid-seizing:${name}`, { signal: late }, begin).catch((error) => {
    if (isBegun) throw error;
    return run(); // whoever has the turn is frozen
  });
}

/** The token of the worker that holds the database; null where nobody does. */
export async function holderOf(locks: Locks, name: string): Promise<string | null> {
  const { held = [] } = await locks.query();
  const client = held.find((lock) => lock.name === databaseLockName(name))?.clientId;
  // Shared is what another worker's lock is asked for when that one is gone.
  const life = held.find(
    (lock) => lock.clientId === client && lock.mode === 'exclusive' && lock.name?.startsWith(lifeLockName('')),
  );
  return client === undefined ? null : (life?.name?.slice(lifeLockName('').length) ?? null);
}

/** Resolves once the page of that worker is frozen or gone, or the worker itself. Rejects when the signal fires first. */
export async function asleep(locks: Locks, token: string, signal: AbortSignal): Promise<void> {
  const either = new AbortController();
  try {
    await Promise.race(
      [awakeLockName(token), lifeLockName(token)].map((name) =>
        locks.request(name, { mode: 'shared', signal: AbortSignal.any([signal, either.signal]) }, () => {}),
      ),
    );
  } finally {
    either.abort();
  }
}

export interface Opener {
  /** Whether nobody else has opened the database who could still write to it. */
  isAlone(): Promise<boolean>;
  /** Nothing more will be written. */
  leave(): void;
}

/** Says to others that this worker may write to the database, whoever holds it, until it leaves or ends. */
export async function holdOpenerLock(locks: Locks, name: string): Promise<Opener> {
  let leave = () => {};
  let isHeld = true;
  const left = new Promise<void>((resolve) => {
    leave = resolve;
  });
  await new Promise<void>((resolve, reject) => {
    const hold = () => {
      resolve();
      return left;
    };
    locks.request(openerLockName(name), { mode: 'shared' }, hold).catch(reject);
  });
  return {
    async isAlone() {
      const { held = [] } = await locks.query();
      return isHeld && held.filter((lock) => lock.name === openerLockName(name)).length === 1;
    },
    leave() {
      isHeld = false;
      leave();
    },
  };
}

function openerLockName(name: string): string {
  return `piramid-opener:${name}`;
}

function databaseLockName(name: string): string {
  return `piramid:${name}`;
}
