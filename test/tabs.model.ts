// What a database that several tabs use must show: an oracle that knows of each record what was begun and what was
// acknowledged. A record belongs to one owner, which does one thing with it at a time.
import type { SeededRandom } from '../src/structures/random.ts';

interface Known {
  /** Value of the last acknowledged write; undefined: none yet. */
  v: number | undefined;
  /** The value that a write under way, or one of a tab that died, gives it. */
  pending: number[];
  removing: 'no' | 'begun' | 'done';
}

interface Settled {
  value?: unknown;
  code?: string;
  message?: string;
}

export class Model {
  readonly problems: string[] = [];
  /** Calls that a storage without an answer failed: of a write nobody knows whether it happened. */
  failed = 0;
  acknowledged = 0;
  private reads = 0;
  private unknown = 0;
  private readonly records = new Map<string, Known>();
  private lastValue = 0;
  private owners = 0;

  /** `isSick`: a storage may fail calls. */
  constructor(private readonly isSick = false) {}

  newOwner(): { newIds(count: number): string[]; pick(random: SeededRandom): string | undefined } {
    const owner = this.owners++;
    const ids: string[] = [];
    return {
      newIds: (count) => {
        const made = Array.from({ length: count }, (_, i) => `o${owner}-${ids.length + i}`);
        ids.push(...made);
        return made;
      },
      pick: (random) => {
        const usable = ids.filter((id) => {
          const known = this.records.get(id)!;
          return known.v !== undefined && known.pending.length === 0 && known.removing === 'no';
        });
        return usable[random.below(usable.length)];
      },
    };
  }

  insert(ids: readonly string[]) {
    const v = ++this.lastValue;
    for (const id of ids) this.records.set(id, { v: undefined, pending: [v], removing: 'no' });
    return this.writing(`insert of ${ids}`, v, ids);
  }

  update(id: string) {
    const v = ++this.lastValue;
    this.records.get(id)!.pending.push(v);
    return this.writing(`update of ${id}`, v, [id]);
  }

  remove(id: string) {
    this.records.get(id)!.removing = 'begun';
    return this.writing(`removal of ${id}`, -1, [id]);
  }

  /** Call before the read is sent, and `done` with what came. */
  read() {
    const needed = new Map<string, number>();
    const impossible = new Set<string>();
    for (const [id, { v, removing }] of this.records) {
      if (removing === 'done') impossible.add(id);
      else if (v !== undefined && removing === 'no') needed.set(id, v);
    }
    return {
      done: (result: Settled | undefined) => {
        if (!result || this.hasFailed(result)) return;
        if (result.code !== undefined) return void this.problems.push(`read: ${result.message}`);
        this.reads++;
        const rows = result.value as [string, number][];
        const found = new Map(rows);
        if (found.size !== rows.length) this.problems.push(`read: ${rows.length - found.size} records stand twice`);
        for (const [id, v] of needed) {
          const got = found.get(id);
          // It may have been removed since the read began.
          if (got === undefined && this.records.get(id)!.removing === 'no') this.problems.push(`read: ${id} is lost`);
          if (got !== undefined && got < v)
            this.problems.push(`read: ${id} is ${got}, and ${v} was acknowledged before`);
        }
        for (const [id, v] of found) {
          const known = this.records.get(id);
          if (!known) this.problems.push(`read: ${id} was never written`);
          else if (impossible.has(id)) this.problems.push(`read: ${id} was removed before`);
          else if (v > Math.max(known.v ?? 0, ...known.pending))
            this.problems.push(`read: ${id} has ${v} from nowhere`);
        }
      },
    };
  }

  summary(): string {
    return `${this.acknowledged} writes acknowledged, ${this.unknown} of tabs that died, ${this.reads} reads`;
  }

  private hasFailed({ code }: Settled): boolean {
    if (!this.isSick || code !== 'STORAGE_FAILED') return false;
    this.failed++;
    return true;
  }

  private writing(what: string, v: number, ids: readonly string[]) {
    return {
      v,
      /** `result`: undefined where the tab died. */
      done: (result: Settled | undefined, expected: unknown) => {
        if (!result) {
          this.unknown++;
          return; // stays pending for ever
        }
        if (this.hasFailed(result)) return; // the same
        if (result.code !== undefined) return void this.problems.push(`${what}: ${result.message}`);
        if (result.value !== expected) this.problems.push(`${what}: returned ${result.value}, expected ${expected}`);
        this.acknowledged++;
        for (const id of ids) {
          const known = this.records.get(id)!;
          if (v < 0) known.removing = 'done';
          else {
            known.v = v;
            known.pending = [];
          }
        }
      },
    };
  }
}
