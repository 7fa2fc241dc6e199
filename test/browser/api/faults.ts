// What the faulty worker can be told, by the channel that its name names.

/** What happens, once: */
export type Fault =
  /** The worker dies instead of giving a follower its next answer: what was asked for has been done. */
  | 'die before the next answer'
  /** The browser gives up its next transaction that writes, as one whose worker was frozen for a minute in the middle of it. */
  | 'time out'
  /** It stands still for this long before its next transaction that writes, then goes on as if nothing had happened. */
  | { freezeBeforeCommitMs: number }
  /** It stands still for this long at once. */
  | { freezeMs: number };

/** A worker whose name begins so has no Web Locks, as on plain http. */
export const NO_LOCKS = 'no locks ';
