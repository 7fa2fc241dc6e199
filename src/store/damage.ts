// What of a database is damaged: found where values are read, kept until `repair` has taken it out. Damaged bytes are never
// returned; rows that they held are left out, and everything else is answered as ever.
import { PiramidError } from '../errors.ts';
import type { Kind } from './format.ts';

/** A stored value that fails its checks. */
export interface Damage {
  kind: Kind;
  /** In the store that has values of that kind. */
  key: number;
  /** Number of the collection; null where not even that can be read. */
  collection: number | null;
  firstRow: number;
  rowCount: number;
  /** What is wrong with it. */
  message: string;
}

export class DamageList {
  /** Called once for each new damage. */
  onDamage: (damage: Damage) => void = () => {};
  readonly #damages = new Map<string, Damage>();

  get all(): readonly Damage[] {
    return [...this.#damages.values()];
  }

  /** What is known to be wrong with a value. */
  of({ kind, key }: Pick<Damage, 'kind' | 'key'>): Damage | undefined {
    return this.#damages.get(`${kind} ${key}`);
  }

  note(damage: Damage): void {
    const name = `${damage.kind} ${damage.key}`;
    if (this.of(damage)) return;
    this.#damages.set(name, damage);
    this.onDamage(damage);
  }

  /** Values of that kind have been written anew. */
  forget(kind: Kind): void {
    for (const [name, damage] of this.#damages) if (damage.kind === kind) this.#damages.delete(name);
  }

  /** What was damaged is out of the database. */
  clear(): void {
    this.#damages.clear();
  }
}

export function isCorrupt(error: unknown): error is PiramidError {
  return error instanceof PiramidError && error.code === 'CORRUPT';
}

/** For reads: a storage that says that a value is damaged gives that as the answer; all else is thrown. */
export function ifCorrupt(error: unknown): PiramidError {
  if (isCorrupt(error)) return error;
  throw error;
}

/** Reads a value, and once more where it is damaged: browsers say the same of a file that they cannot open now and of one that is gone. */
export function readTwice<T>(read: () => Promise<T>): Promise<T> {
  return read().catch((error) => {
    ifCorrupt(error);
    return read();
  });
}
