// Calls of a typed collection: what compiles and what must not. Checked by `npm run check`; nothing here runs.
import type { Collection, FieldPath, Match, Metadata, Query, Where } from 'piramid';

interface Author {
  name: string;
  born?: number;
}
interface Book {
  title: string;
  year: number;
  kind: 'novel' | 'poem';
  added: Date;
  seen?: string;
  isLent: boolean;
  tags: string[];
  author: Author;
  editions: { at: Date; pages: number }[];
  shelf: number | null;
}
interface Tree {
  label: string;
  children: Tree[];
}

declare const books: Collection<Book>;
declare const trees: Collection<Tree>;
declare const anything: Collection;
declare const loose: Collection<{ source: string; more: Metadata }>;
const vector = [1, 0];

export const filters: Where<Book>[] = [
  { year: 1850 },
  { year: { $gte: 1850, $lt: 1900 } },
  { year: { $in: [1850, 1851] }, isLent: false },
  { kind: 'novel' },
  { kind: { $ne: 'poem' } },
  { title: { $contains: 'Moby' } },
  { tags: 'sea' },
  { tags: ['sea', 'whale'] },
  { tags: { $contains: 'sea' } },
  { 'author.name': 'Melville', 'author.born': { $lt: 1820 } },
  { author: { name: 'Melville' } },
  { 'editions.pages': { $gt: 100 } },
  { 'editions.at': { $gte: '2024-05' } },
  { added: new Date() },
  { added: { $gte: '2024', $lt: new Date() } },
  { seen: { $gt: new Date() } },
  { shelf: null },
  { shelf: { $exists: false } },
  { $or: [{ year: 1850 }, { $not: { kind: 'poem' } }], $and: [{}] },
  // @ts-expect-error no such field
  { yeer: 1850 },
  // @ts-expect-error a number is not a string
  { year: '1850' },
  // @ts-expect-error the same, compared
  { year: { $gte: '1850' } },
  // @ts-expect-error the same, in a list
  { year: { $in: ['1850'] } },
  // @ts-expect-error no such kind
  { kind: 'essay' },
  // @ts-expect-error no such field of the author
  { 'author.nam': 'Melville' },
  // @ts-expect-error no such field of an edition
  { 'editions.page': 1 },
  // @ts-expect-error elements are strings
  { tags: { $contains: 1 } },
  // @ts-expect-error inside of another filter
  { $or: [{ yeer: 1850 }] },
  // @ts-expect-error below $not
  { $not: { year: 'x' } },
  // @ts-expect-error a date is no number
  { added: { $gt: 5 } },
  // @ts-expect-error an unknown operator
  { year: { $above: 5 } },
];

export const paths: FieldPath<Book>[] = ['year', 'author.name', 'editions.at', 'tags'];
// @ts-expect-error no such path
export const wrongPath: FieldPath<Book> = 'author.nam';

export async function calls(): Promise<void> {
  await books.query({ vector, where: { year: { $gte: 1850 } } });
  // @ts-expect-error in a query
  await books.query({ vector, where: { yeer: 1850 } });
  // @ts-expect-error in a batch
  await books.queryBatch([{ vector, where: { year: { $lt: '1850' } } }]);
  // @ts-expect-error counted
  await books.count({ yeer: 1 });
  // @ts-expect-error scrolled
  await books.scroll({ where: { year: 'x' } });
  // @ts-expect-error deleted
  await books.delete({ where: { yeer: 1 } });
  await books.delete({ where: { year: 1 } });
  await books.delete('a');
  await books.delete(['a', 1]);
  await books.delete({ all: true });
  // @ts-expect-error not all
  await books.delete({ all: false });

  await books.update('a', { set: { year: 1851, 'author.name': 'Melville', tags: ['sea'] }, unset: ['seen'] });
  await books.update({ where: { year: 1 } }, { text: 'Call me Ishmael', vector });
  // @ts-expect-error no such field
  await books.update('a', { set: { yeer: 1851 } });
  // @ts-expect-error a number is not a string
  await books.update('a', { set: { year: '1851' } });
  // @ts-expect-error it runs through a list
  await books.update('a', { set: { 'editions.pages': 1 } });
  // @ts-expect-error no such field
  await books.update('a', { unset: ['sen'] });
  // @ts-expect-error a text is a string
  await books.update('a', { text: 5 });

  const years = await books.facets({ field: 'year' });
  years[0]!.value satisfies number;
  const tags = await books.facets({ field: 'tags', where: { year: 1 } });
  tags[0]!.value satisfies string;
  const names = await books.facets({ field: 'author.name' });
  names[0]!.value satisfies string;
  // @ts-expect-error no such field
  await books.facets({ field: 'yeer' });
  // @ts-expect-error a number's facets are numbers
  years[0]!.value satisfies string;

  const [match] = await books.query({ keywords: 'whale', select: ['metadata'] });
  match?.metadata?.author.born satisfies number | undefined;
  // @ts-expect-error no such field
  match?.metadata?.yeer;
  // @ts-expect-error nothing of that name is selected
  await books.query({ keywords: 'whale', select: ['metadat'] });
  const one = await books.get('a');
  one?.metadata?.year satisfies number | undefined;
  const several = await books.get(['a', 'b']);
  several[0]?.metadata?.kind satisfies 'novel' | 'poem' | undefined;
  const { records } = await books.scroll({ where: { 'author.name': 'x' } });
  records[0]?.metadata?.tags satisfies string[] | undefined;

  // A type that contains itself; a type with parts that are not known; none at all.
  await trees.count({ 'children.children.label': 'x' });
  // @ts-expect-error a number is not a string
  await trees.count({ 'children.label': 1 });
  await loose.count({ source: 'web', 'more.anything': 5 });
  // @ts-expect-error a number is not a string
  await loose.count({ source: 5 });
  await anything.count({ whatever: 'x', 'a.b': { $gte: 1 }, $or: [{ a: 1 }, { b: { $in: ['x', 1] } }] });
  await anything.update('a', { set: { x: 1 }, unset: ['y'] });
  (await anything.facets({ field: 'x' }))[0]!.value satisfies string | number | boolean | Date | null;

  const query: Query<Book> = { vector, where: { year: 1 } };
  const matches: Match<Book>[] = await books.query(query);
  matches satisfies Match<Book>[];
}
