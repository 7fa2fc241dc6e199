// What metadata is, and what can be said of its fields: their paths, conditions on them, changes of them. Types alone, derived from
// the record type `M` of a collection: `where: { yeer: 1850 }` and `{ year: { $gte: '1850' } }` do not compile.

/** A value that metadata can hold: JSON, and `Date`. */
export type MetadataValue =
  | string
  | number
  | boolean
  | null
  | Date
  | readonly MetadataValue[]
  | { readonly [key: string]: MetadataValue };

/** A record's metadata: an object of JSON values and dates. Keys do not begin with `$` and hold no `.`. */
export type Metadata = { readonly [key: string]: MetadataValue };

/** A value without fields of its own. */
type Leaf = string | number | boolean | bigint | symbol | null | undefined | Date | ((...args: never[]) => unknown);
/** One less. A type that contains itself is followed this deep; any path is allowed below. */
type Less = [never, 0, 1, 2, 3, 4];

/** The paths of the fields of `M`: `'author.name'` reaches into an object, and into each object of an array. */
export type FieldPath<M, Depth extends number = 5> = unknown extends M
  ? string
  : M extends Leaf
    ? never
    : M extends readonly (infer Element)[]
      ? FieldPath<Element, Depth>
      : string extends keyof M
        ? string
        : Depth extends 0
          ? string
          : { [Key in keyof M & string]-?: Key | `${Key}.${FieldPath<M[Key], Less[Depth]>}` }[keyof M & string];

/** The same without those that run through an array: what `update` can set. */
export type SettablePath<M, Depth extends number = 5> = unknown extends M
  ? string
  : M extends Leaf | readonly unknown[]
    ? never
    : string extends keyof M
      ? string
      : Depth extends 0
        ? string
        : { [Key in keyof M & string]-?: Key | `${Key}.${SettablePath<M[Key], Less[Depth]>}` }[keyof M & string];

/** What stands at a path. */
export type FieldValue<M, Path extends string> = unknown extends M
  ? MetadataValue
  : M extends Leaf
    ? never
    : M extends readonly (infer Element)[]
      ? FieldValue<Element, Path>
      : string extends keyof M
        ? MetadataValue
        : Path extends keyof M
          ? M[Path]
          : Path extends `${infer Key}.${infer Rest}`
            ? Key extends keyof M
              ? FieldValue<M[Key], Rest>
              : never
            : never;

type ElementOf<V> = V extends readonly (infer Element)[] ? Element : never;
/** A date may be given as a string, and a string field may hold dates. */
type Same<V> = V extends Date ? Date | string : V extends undefined ? never : string extends V ? string | Date : V;
type Equal<V> = Same<V> | Same<ElementOf<V>>;
type Ordered<V> = V extends number ? number : V extends string | Date ? string | Date : never;
type Contained<V> =
  | Extract<Same<ElementOf<V>>, string | number | boolean | null | Date>
  | (V extends string ? string : never);

/** A comparison with one field, whose values are `V`. All given operators must hold. */
export interface Comparison<V = MetadataValue> {
  /** Equal to. */
  $eq?: Equal<V>;
  /** Not equal to; also matches records without the field. */
  $ne?: Equal<V>;
  /**
   * Greater than. Numbers are compared with numbers, strings with strings, and dates with dates or with strings that
   * are dates: RFC 3339 (`'2024-05-01'`, `'2024-05-01 10:00+02'`; without a zone UTC), a month (`'2024-05'`) or a year
   * (`'2024'`). A month or a year is compared as a whole: `$gt` after its end, `$gte` from its start, `$lt` before its
   * start, `$lte` up to its end, `$eq` within. Two strings are compared as text, even if both are dates: where zones
   * differ, store a `Date`.
   */
  $gt?: Ordered<V | ElementOf<V>>;
  /** Greater than or equal to. */
  $gte?: Ordered<V | ElementOf<V>>;
  /** Less than. */
  $lt?: Ordered<V | ElementOf<V>>;
  /** Less than or equal to. */
  $lte?: Ordered<V | ElementOf<V>>;
  /** Equal to one of these. */
  $in?: readonly Equal<V>[];
  /** Equal to none of these; also matches records without the field. */
  $nin?: readonly Equal<V>[];
  /** `true`: the record has the field (`null` counts). `false`: it does not. */
  $exists?: boolean;
  /** An array with this element, or a string with this substring (case matters). */
  $contains?: Contained<V>;
}

/** What a filter may ask of a field of `M`; of metadata without a type, anything of any field. */
type Conditions<M> =
  string extends FieldPath<M>
    ? { [path: string]: MetadataValue | Comparison | Where | readonly Where[] | undefined }
    : { [Path in FieldPath<M>]?: Equal<FieldValue<M, Path>> | Comparison<FieldValue<M, Path>> };

/**
 * A filter: field paths (`'author.name'` reaches into nested objects), each with a value (equal to) or a comparison,
 * and `$and`, `$or`, `$not`. All conditions must hold. An array field equals a value if one of its elements does. A
 * missing field matches only `$exists: false`, `$ne`, `$nin` and `$not`. Fields have no types: a value that no record
 * can equal (another type, a misspelt field) matches nothing, and `explain` says so.
 */
export type Where<M extends object = Metadata> = Conditions<M> & {
  $and?: readonly Where<M>[];
  $or?: readonly Where<M>[];
  $not?: Where<M>;
};

/** Metadata fields and their new values. */
export type FieldValues<M extends object = Metadata> = {
  readonly [Path in SettablePath<M>]?: Exclude<FieldValue<M, Path>, undefined>;
};

type FacetValue = string | number | boolean | Date | null;

/** A value of a field and how many records have it. */
export interface Facet<V = MetadataValue> {
  value: Extract<V | ElementOf<V>, FacetValue>;
  count: number;
}
