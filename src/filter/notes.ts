// What a filter says that can hardly be meant: fields that no record has, and values of a type that the field does not hold. Rows
// have no types, so none of this is refused; `explain` names it.
import { Bitset } from '../structures/bitset.ts';
import type { Facet, MetadataValue, Where } from '../types.ts';
import type { Column } from './column.ts';
import { hasZone, spanOf } from './dates.ts';
import { isDate, isPlainObject } from './values.ts';

/** Most names that a misspelt one is compared with. */
const NAMES_MAX = 2000;
/** Most letters of a name that count. */
const NAME_LENGTH_MAX = 64;

/** What notes need of the columns. `live`: the rows that are looked at at all. */
export interface Fields {
  column(path: string): Column | undefined;
  paths(): string[];
  live: Bitset;
}

export function notesOn(where: Where, fields: Fields): string[] {
  const notes = Object.entries(where).flatMap(([key, value]) => {
    if (key === '$and' || key === '$or') return (value as Where[]).flatMap((part) => notesOn(part, fields));
    return key === '$not' ? notesOn(value as Where, fields) : notesOnField(key, value as MetadataValue, fields);
  });
  return [...new Set(notes)];
}

function notesOnField(path: string, condition: MetadataValue, fields: Fields): string[] {
  const isComparison = isPlainObject(condition) && Object.keys(condition).some((key) => key.startsWith('$'));
  const operators = Object.entries(isComparison ? condition : { $eq: condition }).filter(
    ([name]) => name !== '$exists',
  );
  if (operators.length === 0) return []; // it asks just that
  if (!isHeld(path, fields)) {
    const nearest = nearestName(path, fields);
    return [`no record has the field \`${path}\`${nearest && `; did you mean \`${nearest}\``}`];
  }
  const held = fields
    .column(path)!
    .count(fields.live)
    .map(({ value }) => value);
  return (operators as [string, MetadataValue][]).flatMap(([operator, operand]) => {
    const values = operator === '$in' || operator === '$nin' ? (operand as readonly MetadataValue[]) : [operand];
    const [first] = values;
    if (first !== undefined && !values.some((value) => canMeet(value, held))) {
      const kinds = [...new Set(held.map(kindOf))].join(' and ') || 'objects and lists';
      const what = isDate(first) ? first.toISOString() : JSON.stringify(first);
      const why = kinds === 'dates' && typeof first === 'string' ? 'it is no date, and ' : '';
      return `\`${path}\`: ${operator} ${what.slice(0, 60)} meets no value: ${why}the field holds ${kinds} only`;
    }
    const isText = /^\$[gl]/.test(operator) && isZoned(operand) && held.some(isZoned);
    return isText ? `\`${path}\`: dates that are strings are compared as text, zones and all; compare with a Date` : [];
  });
}

function canMeet(value: MetadataValue, held: readonly Facet['value'][]): boolean {
  const isTime = isDate(value) || (typeof value === 'string' && spanOf(value) !== null);
  return (
    (typeof value === 'object' && value !== null && !isDate(value)) ||
    held.some((other) => kindOf(other) === kindOf(value) || (isTime && isDate(other))) ||
    (isDate(value) && held.some((other) => typeof other === 'string' && spanOf(other) !== null))
  );
}

function isZoned(value: unknown): boolean {
  return typeof value === 'string' && hasZone(value);
}

function kindOf(value: MetadataValue): string {
  return value === null ? 'null' : isDate(value) ? 'dates' : `${typeof value}s`;
}

function isHeld(path: string, { column, live }: Fields): boolean {
  const rows = new Bitset(live.length);
  column(path)?.exists(rows);
  return rows.intersect(live).count() > 0;
}

/** The name that is least different, '' where none is alike. */
function nearestName(path: string, fields: Fields): string {
  let best = '';
  let least = path.length / 2;
  for (const name of fields.paths().slice(0, NAMES_MAX)) {
    const difference = name.endsWith(`.${path}`) ? 0.5 : edits(letters(path), letters(name));
    if (difference > least || !isHeld(name, fields)) continue;
    least = difference;
    best = name;
  }
  return best;
}

function letters(name: string): string {
  return name.slice(0, NAME_LENGTH_MAX).toLowerCase();
}

/** Letters to change, add or leave out (Levenshtein 1965). */
function edits(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 0; i < a.length; i++) {
    const above = row;
    row = [i + 1];
    for (let j = 0; j < b.length; j++)
      row.push(Math.min(above[j + 1]! + 1, row[j]! + 1, above[j]! + (a[i] === b[j] ? 0 : 1)));
  }
  return row[b.length]!;
}
