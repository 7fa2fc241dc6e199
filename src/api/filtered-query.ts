// The door of queries for neither vectors nor words: a filter, and what its records are sorted by.
import { checkInteger, checkText, describe, invalid, readOptions, requireChoice } from '../checks.ts';
import { checkPath } from '../filter/check-where.ts';
import type { EngineQuery } from '../protocol.ts';
import type { OrderBy, Query } from '../types.ts';
import { checkFilter, checkSelect, K_MAX } from './door.ts';

/** A query of a filter and an order alone. */
export function packFiltered(query: Query): EngineQuery {
  const { where, orderBy, k, offset, select, explain, signal: _, ...others } = query;
  if (where === undefined && orderBy === undefined)
    throw invalid('query: expected a vector, a text or keywords, or where and orderBy alone');
  const [other] = Object.entries(others).find(([, value]) => value !== undefined) ?? [];
  if (other !== undefined) throw invalid(`${other}: only for queries that search vectors or words`);
  if (explain !== undefined && typeof explain !== 'boolean')
    throw invalid(`explain: expected a boolean, got ${describe(explain)}`);
  return {
    ...{ vector: null, embed: null, words: null, minScore: null, fusion: { weighted: {} }, exact: false },
    k: k === undefined ? 10 : checkInteger(k, 1, K_MAX, 'k'),
    offset: offset === undefined ? 0 : checkInteger(offset, 0, 2 ** 32 - 1, 'offset'),
    where: where === undefined ? null : checkFilter(where),
    orderBy: orderBy === undefined ? [] : checkOrder(orderBy),
    select: checkSelect(select, ['text', 'metadata']),
    oversample: 1,
    explain: explain ?? false,
  };
}

function checkOrder(orderBy: unknown): Required<OrderBy>[] {
  const list = Array.isArray(orderBy) ? orderBy : [orderBy];
  if (list.length === 0) throw invalid('orderBy: expected a field or more, got an empty list');
  return Array.from(list, (item: unknown, i) => {
    const what = list === orderBy ? `orderBy[${i}]` : 'orderBy';
    const { field, direction = 'ascending' } =
      typeof item === 'string' ? { field: item } : readOptions(item as OrderBy, ['field', 'direction'], what);
    checkText(field, () => `${what}.field`);
    checkPath(field);
    return { field, direction: requireChoice(direction, ['ascending', 'descending'], `${what}.direction`) };
  });
}
