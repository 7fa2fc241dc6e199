// Dates as strings: which strings are dates, and which time each means. A month or a year is a span of time, all else an instant.

/** Milliseconds since 1970, first and last. The same where it is an instant. */
export interface Span {
  start: number;
  end: number;
}

const DATE =
  /^(\d{4}|[+-]\d{6})(?:-(\d\d)(?:-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?: ?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?))?)?)?)?$/;

/**
 * The time that a string means, null if it is no date: RFC 3339 (`'2024-05-01T10:00:00.5+02:00'`) with what people write instead (a
 * space for `T`, `+02`, no seconds, no time, 24:00), a month (`'2024-05'`) or a year (`'2024'`). Without a zone it means UTC: read as
 * local time, as `Date.parse` does, a filter would match other records on other machines. Impossible dates (30 February)
 * are not dates, on every browser.
 */
export function spanOf(text: string): Span | null {
  const parts = DATE.exec(text);
  if (!parts) return null;
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = ''] = parts;
  const [sign, zoneHour = '0', zoneMinute = '0'] = parts.slice(8);
  const start = timeOf(Number(year), month ? Number(month) - 1 : 0, day ? Number(day) : 1);
  if (Number.isNaN(start)) return null;
  if (!day) {
    const next = month ? timeOf(Number(year), Number(month), 1, true) : timeOf(Number(year) + 1, 0, 1, true);
    return { start, end: next - 1 };
  }
  const isEndOfDay = hour === '24' && Number(minute) === 0 && Number(second) === 0 && Number(fraction) === 0;
  // 60: a leap second.
  if ((Number(hour) > 23 && !isEndOfDay) || Number(minute) > 59 || Number(second) > 60) return null;
  if (Number(zoneHour) > 23 || Number(zoneMinute) > 59) return null;
  const ofDay = (Number(hour) * 60 + Number(minute)) * 60_000 + Number(second) * 1000;
  const zone = (Number(zoneHour) * 60 + Number(zoneMinute)) * (sign === '-' ? -60_000 : 60_000);
  const time = start + ofDay + Number(fraction.padEnd(3, '0').slice(0, 3)) - zone;
  return { start: time, end: time };
}

/** Whether a string is a date that says its zone. */
export function hasZone(text: string): boolean {
  return /:.*(?:z|[+-]\d\d(?::?\d\d)?)$/i.test(text) && spanOf(text) !== null;
}

/** NaN where there is no such day, unless months may roll over. setUTCFullYear, because Date.UTC takes the years 0 to 99 for 1900 to 1999. */
function timeOf(year: number, month: number, day: number, mayRoll = false): number {
  const date = new Date(0);
  const time = date.setUTCFullYear(year, month, day);
  return mayRoll || date.getUTCMonth() === month ? time : Number.NaN;
}

/** Spans in ascending order, those that overlap joined. */
export function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const { start, end } of [...spans].sort((a, b) => a.start - b.start)) {
    const last = all.at(-1);
    if (last && start <= last.end) last.end = Math.max(last.end, end);
    else all.push({ start, end });
  }
  return all;
}

/** Whether one of the spans, which `joined` made, shares a time with `start` to `end`. */
export function meets(spans: readonly Span[], start: number, end: number): boolean {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (spans[middle]!.end < start) low = middle + 1;
    else high = middle;
  }
  return low < spans.length && spans[low]!.start <= end;
}
