// The memory of one GPU, which the copies of several collections share. Owns how much of it they may take, and who gives way when
// that is used up or the GPU has no more: float32 copies first, then float16 ones, then codes; of each kind the one that was used
// longest ago. Knows nothing of what is in them.
import type { Precision } from './pipelines.ts';

interface Holding {
  precision: Precision;
  bytes: number;
}

/** Whose copy it is. */
export interface Tenant {
  /** What it holds, or is about to, then the smaller copy that takes its place, and so on; in the end the CPU answers. Empty: nothing. */
  holdings(): readonly Holding[];
  /** Frees the first of them at once, for the second. */
  giveWay(): void;
}

/** A copy's right to memory. */
export interface Room {
  /** Whether so many bytes more may be allocated. Others may have given way for that. */
  take(bytes: number): boolean;
  /** Whether so many are free without that. */
  hasFree(bytes: number): boolean;
  /** The GPU could not allocate them. Whether others gave way, so that it may be tried again. */
  refused(bytes: number): boolean;
}

/** A tenant's place, for copies of any precision. */
export interface Seat {
  room(precision: Precision): Room;
  /** Whether its `take` would be granted. */
  fits(precision: Precision, bytes: number): boolean;
  /** A query asks for its rows now. */
  used(): void;
  leave(): void;
}

export interface GpuBudget {
  /** Less than at first where the GPU turned out to have less. */
  readonly limit: number;
  readonly bytes: number;
  join(tenant: Tenant): Seat;
}

/** A step down that a tenant can take. */
interface Step {
  tenant: Tenant;
  precision: Precision;
  used: number;
  /** Bytes. */
  frees: number;
  /** Nothing is left then. */
  isLast: boolean;
}

/** Who gives way first. */
const ORDER: Record<Precision, number> = { f32: 0, f16: 1, int8: 2, binary: 2 };
/** Copies that were used since are not given up for others: collections that are used in turns would be copied for ever. */
const IDLE_MS = 60_000;

export function createGpuBudget(bytesMax: number, idleMs = IDLE_MS): GpuBudget {
  /** When each was last used. */
  const tenants = new Map<Tenant, number>();
  let limit = bytesMax;

  function total(): number {
    let sum = 0;
    for (const tenant of tenants.keys()) sum += tenant.holdings()[0]?.bytes ?? 0;
    return sum;
  }

  /** Copies to evict so that `asking` gets `bytes` more; null if it would have to evict itself. */
  function victimsFor(asking: Tenant, precision: Precision, bytes: number): Tenant[] | null {
    let over = total() + bytes - limit;
    const own = { precision, used: tenants.get(asking)! };
    const victims: Tenant[] = [];
    for (const step of [...tenants].flatMap(stepsOf).sort(inTurn)) {
      if (over <= 0 || inTurn(own, step) < 0) break;
      if (step.tenant === asking || (step.isLast && performance.now() - step.used < idleMs)) continue;
      victims.push(step.tenant);
      over -= step.frees;
    }
    return over <= 0 ? victims : null;
  }

  function makeRoom(victims: Tenant[] | null): boolean {
    for (const victim of victims ?? []) victim.giveWay();
    return victims !== null;
  }

  return {
    get limit() {
      return limit;
    },
    get bytes() {
      return total();
    },
    join(tenant) {
      tenants.set(tenant, performance.now());
      return {
        room: (precision) => ({
          hasFree: (bytes) => total() + bytes <= limit,
          take: (bytes) => makeRoom(victimsFor(tenant, precision, bytes)),
          refused(bytes) {
            limit = Math.min(limit, total() + bytes - 1);
            return makeRoom(victimsFor(tenant, precision, bytes));
          },
        }),
        fits: (precision, bytes) => victimsFor(tenant, precision, bytes) !== null,
        used: () => void tenants.set(tenant, performance.now()),
        leave: () => void tenants.delete(tenant),
      };
    },
  };
}

function stepsOf([tenant, used]: [Tenant, number]): Step[] {
  const holdings = tenant.holdings();
  return holdings.map(({ precision, bytes }, i) => {
    const next = holdings[i + 1];
    return { tenant, precision, used, frees: bytes - (next?.bytes ?? 0), isLast: next === undefined };
  });
}

function inTurn(a: Pick<Step, 'precision' | 'used'>, b: Pick<Step, 'precision' | 'used'>): number {
  return ORDER[a.precision] - ORDER[b.precision] || a.used - b.used;
}
