// Which rows a `where` lets through: metadata of all rows as columns, one per field path, built as rows are written.
// Rows are added, and their fields changed in place; deleted ones are the caller's business (tombstones), and compaction builds a new index.
//
// What a field's value is: `a.b` reaches into the object `a`, and into each object of the array `a`. An operator holds
// if it holds for one of the values so found or, where a value is an array, for one of its elements; each operator of
// a comparison chooses its own (as in MongoDB). `$ne` and `$nin` are the negations of `$eq` and `$in`.
import { Bitset } from '../structures/bitset.ts';
import type { Sliced } from '../structures/slices.ts';
import type { Comparison, Facet, Metadata, MetadataValue, OrderBy, Where } from '../types.ts';
import { Column } from './column.ts';
import { notesOn } from './notes.ts';
import { type SortKeys, sortKeys } from './order.ts';
import { isPlainObject, type MetadataObject } from './values.ts';

/**
 * One field and the fields below it. Metadata may have any number of fields that occur once (a record of word counts), so a field is
 * a name and a value until it has a second one, and has a column from then on, or from the first filter that asks for it.
 */
class Field {
  /** A Map, so that `__proto__` and `constructor` are names like any other. Null while there are none. */
  fields: Map<string, Field> | null = null;
  #column: Column | null = null;
  readonly #row: number;
  readonly #value: MetadataValue;

  /** With its first value, which is no element. */
  constructor(row: number, value: MetadataValue) {
    this.#row = row;
    this.#value = value;
  }

  /** As that of `PayloadIndex`, for the values at and below this field. */
  *replacing(rows: readonly number[], added: Field | undefined): Sliced<() => void> {
    const own = yield* this.column.replacing(rows, added?.column ?? new Column());
    const below = new Set([...(this.fields?.keys() ?? []), ...(added?.fields?.keys() ?? [])]);
    if (below.size === 0) return own;
    this.fields ??= new Map();
    const exchange = yield* replacingFields(this.fields, rows, below, added?.fields ?? new Map());
    return () => {
      own();
      exchange();
    };
  }

  get column(): Column {
    if (!this.#column) {
      this.#column = new Column();
      this.#column.append(this.#row, false, this.#value);
    }
    return this.#column;
  }

  get byteLength(): number {
    return FIELD_BYTES + (this.#column ? COLUMN_BYTES + this.#column.byteLength : 0);
  }
}

/** What one field costs, and what its column costs beside its values, bytes; measured in V8. */
const FIELD_BYTES = 180;
const COLUMN_BYTES = 420;

export class PayloadIndex {
  readonly #fields = new Map<string, Field>();

  /** An estimate of the memory held, bytes. */
  get byteLength(): number {
    let total = 0;
    const add = (fields: Map<string, Field>): void => {
      for (const field of fields.values()) {
        total += field.byteLength;
        if (field.fields) add(field.fields);
      }
    };
    add(this.#fields);
    return total;
  }

  /** Adds the metadata of rows `firstRow`, `firstRow + 1`, ...; all rows added before are lower. */
  append(firstRow: number, metadataList: readonly (Metadata | undefined)[]): void {
    for (let i = 0; i < metadataList.length; i++) {
      const metadata = metadataList[i];
      if (metadata) appendFields(this.#fields, firstRow + i, metadata);
    }
  }

  /**
   * Makes ready that `rows` (ascending) have the fields `names` as `metadataOf` says (by index in `rows`), in place of what they had. Other
   * fields stay. What comes back does it, at once; nothing may be appended in between.
   */
  *replacing(
    rows: readonly number[],
    names: Iterable<string>,
    metadataOf: (i: number) => MetadataObject,
  ): Sliced<() => void> {
    const added = new Map<string, Field>();
    for (const [i, row] of rows.entries()) {
      appendFields(added, row, metadataOf(i));
      yield;
    }
    return yield* replacingFields(this.#fields, rows, names, added);
  }

  /** The rows below `rowCount` that match; `where` has passed `checkWhere`. */
  evaluate(where: Where, rowCount: number): Bitset {
    const rows = Bitset.full(rowCount);
    for (const key of Object.keys(where)) {
      const value = where[key] as MetadataValue;
      if (key === '$and') {
        for (const part of value as unknown as Where[]) rows.intersect(this.evaluate(part, rowCount));
      } else if (key === '$or') {
        const either = new Bitset(rowCount);
        for (const part of value as unknown as Where[]) either.union(this.evaluate(part, rowCount));
        rows.intersect(either);
      } else if (key === '$not') rows.subtract(this.evaluate(value as unknown as Where, rowCount));
      else narrow(rows, this.#column(key), asComparison(value));
    }
    return rows;
  }

  /** The `limit` most frequent values of `field` among `rows`; an array's elements count once a row. */
  facets(field: string, rows: Bitset, limit: number): Facet[] {
    const facets = this.#column(field)?.count(rows) ?? [];
    return facets.sort((a, b) => b.count - a.count || compareValues(a.value, b.value)).slice(0, limit);
  }

  /** What rows below `rowCount` are sorted by. */
  sortKeys({ field, direction }: OrderBy, rowCount: number): SortKeys {
    return sortKeys(this.#column(field), rowCount, direction);
  }

  /** What of `where` cannot be meant, for people; see notes.ts. `live`: the rows that are looked at at all. */
  notes(where: Where, live: Bitset): string[] {
    return notesOn(where, { column: (path) => this.#column(path), paths: () => pathsOf(this.#fields), live });
  }

  #column(path: string): Column | undefined {
    let fields: Map<string, Field> | null = this.#fields;
    let field: Field | undefined;
    for (const name of path.split('.')) {
      field = fields?.get(name);
      if (!field) return undefined;
      fields = field.fields;
    }
    return field?.column;
  }
}

function pathsOf(fields: Map<string, Field>, before = ''): string[] {
  return [...fields].flatMap(([name, field]) => [
    before + name,
    ...(field.fields ? pathsOf(field.fields, `${before}${name}.`) : []),
  ]);
}

function* replacingFields(
  fields: Map<string, Field>,
  rows: readonly number[],
  names: Iterable<string>,
  added: Map<string, Field>,
): Sliced<() => void> {
  const exchanges: (() => void)[] = [];
  for (const name of names) {
    const field = fields.get(name);
    const replacement = added.get(name);
    if (field) exchanges.push(yield* field.replacing(rows, replacement));
    else if (replacement) exchanges.push(() => fields.set(name, replacement));
    yield;
  }
  return () => {
    for (const exchange of exchanges) exchange();
  };
}

function appendFields(fields: Map<string, Field>, row: number, object: MetadataObject): void {
  for (const name of Object.keys(object)) {
    const value = object[name];
    if (value === undefined) continue;
    let field = fields.get(name);
    if (field) field.column.append(row, false, value);
    else {
      field = new Field(row, value);
      fields.set(name, field);
    }
    if (Array.isArray(value)) {
      for (const element of value as readonly MetadataValue[]) {
        field.column.append(row, true, element);
        if (isPlainObject(element)) appendBelow(field, row, element);
      }
    } else if (isPlainObject(value)) appendBelow(field, row, value);
  }
}

function appendBelow(field: Field, row: number, object: MetadataObject): void {
  field.fields ??= new Map();
  appendFields(field.fields, row, object);
}

/** A condition as a comparison: anything but an object with operators means `$eq`. */
function asComparison(condition: MetadataValue): Comparison {
  if (isPlainObject(condition) && Object.keys(condition).some((key) => key.startsWith('$'))) return condition;
  return { $eq: condition };
}

/** Keeps the rows whose column satisfies every operator. */
function narrow(rows: Bitset, column: Column | undefined, comparison: Comparison): void {
  for (const [operator, operand] of Object.entries(comparison) as [keyof Comparison, never][]) {
    if (operand === undefined) continue;
    const found = new Bitset(rows.length);
    if (column) {
      if (operator === '$exists') column.exists(found);
      else if (operator === '$contains') column.contains(operand, found);
      else if (operator === '$in' || operator === '$nin') column.equal(operand, found);
      else if (operator === '$eq' || operator === '$ne') column.equal([operand], found);
      else column.compare(operator, operand, found);
    }
    if (operator === '$ne' || operator === '$nin' || (operator === '$exists' && !operand)) rows.subtract(found);
    else rows.intersect(found);
  }
}

/** Ascending: null, false, true, numbers, dates, strings (by code unit). */
function compareValues(a: Facet['value'], b: Facet['value']): number {
  const byType = typeOrder(a) - typeOrder(b);
  if (byType !== 0 || a === null || b === null) return byType;
  return a < b ? -1 : a > b ? 1 : 0;
}

function typeOrder(value: Facet['value']): number {
  if (value === null) return 0;
  if (typeof value === 'boolean') return 1;
  if (typeof value === 'number') return 2;
  return typeof value === 'string' ? 4 : 3;
}
