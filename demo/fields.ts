// The metadata fields that the page filters by, and filters as the `where` of a query. What values they have is read from
// the data; only their names and kinds are known here.
import type { Where } from 'piramid';

export interface Field {
  field: string;
  label: string;
  /** Numbers between two ends, or any of several values. */
  kind: 'range' | 'values';
}

export const FIELDS: readonly Field[] = [
  { field: 'year', label: 'Year', kind: 'range' },
  { field: 'party', label: 'Party', kind: 'values' },
  { field: 'president', label: 'President', kind: 'values' },
  { field: 'source', label: 'Source', kind: 'values' },
];

/** Values of one field, or a range of numbers. An absent field does not filter. */
export interface Filters {
  [field: string]: readonly string[] | readonly [from: number, to: number];
}

/** `filters` as a `where`, without the field `except`; undefined where nothing is filtered. */
export function whereOf(filters: Filters, except?: string): Where | undefined {
  const parts: Where = {};
  for (const [field, filter] of Object.entries(filters)) {
    if (field === except) continue;
    if (isRange(filter)) parts[field] = { $gte: filter[0], $lte: filter[1] };
    else if (filter.length > 0) parts[field] = { $in: filter };
  }
  return Object.keys(parts).length > 0 ? parts : undefined;
}

/** `filters` with one field's filter changed; null takes it away. */
export function withFilter(filters: Filters, field: string, filter: Filters[string] | null): Filters {
  const { [field]: _, ...others } = filters;
  return filter === null || filter.length === 0 ? others : { ...others, [field]: filter };
}

/** One filter in words: "1890 to 1900", "Republican or Whig". */
export function inWords(filter: Filters[string]): string {
  if (!isRange(filter)) return new Intl.ListFormat('en', { type: 'disjunction' }).format(filter);
  return filter[0] === filter[1] ? String(filter[0]) : `${filter[0]} to ${filter[1]}`;
}

export function isRange(filter: Filters[string] | undefined): filter is readonly [number, number] {
  return typeof filter?.[0] === 'number';
}
