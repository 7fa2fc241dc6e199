// The door of `update` and `delete`: which records a call is about, and what is to change of them.
import { checkId, checkText, describe, door, invalid, readOptions } from '../checks.ts';
import { checkMetadata } from '../filter/check-metadata.ts';
import { checkPath } from '../filter/check-where.ts';
import { isPlainObject } from '../filter/values.ts';
import type { EngineChanges } from '../protocol.ts';
import { withContext } from '../structures/context.ts';
import type { Changes, MetadataValue, RecordId, Target, Where } from '../types.ts';
import { checkFilter, checkIds, copyOf } from './door.ts';

/** Ids by themselves mean those records. */
export function checkTarget(target: Target | RecordId | readonly RecordId[]): Target {
  return door(() => {
    if (typeof target === 'string' || typeof target === 'number') return { ids: [checkId(target, 'target')] };
    if (Array.isArray(target)) return { ids: checkIds(target, 'target') };
    const expected = 'target: expected ids, or one of { ids }, { where } and { all: true }';
    if (typeof target !== 'object' || target === null || Symbol.iterator in target)
      throw invalid(`${expected}, got ${describe(target)}`);
    const { ids, where, all } = readOptions(
      target as { ids?: unknown; where?: unknown; all?: unknown },
      ['ids', 'where', 'all'],
      'target',
    );
    const given = Object.entries({ ids, where, all }).filter(([, value]) => value !== undefined);
    if (given.length !== 1 || (all !== undefined && all !== true))
      throw invalid(
        `${expected}, got ${given.map(([key, value]) => (key === 'all' ? `all: ${describe(value)}` : key)).join(' and ') || 'none'}`,
      );
    if (all) return { all };
    if (ids !== undefined) return { ids: checkIds(ids, 'target.ids') };
    const filter = checkFilter(where);
    if (share(filter) === 1) throw invalid('target.where: every record matches; to mean all, say { all: true }');
    return { where: filter };
  });
}

/** How many records a filter lets through, whatever is in them: 1 for all, 0 for none, a half where that depends on the record. */
function share(where: Where): number {
  return least(
    Object.entries(where).map(([key, value]) => {
      if (key === '$and') return least((value as Where[]).map(share));
      if (key === '$or') return 1 - least((value as Where[]).map((part) => 1 - share(part)));
      if (key === '$not') return 1 - share(value as Where);
      const operators = isPlainObject(value) ? Object.entries(value) : [];
      return operators.length === 0 ? 0.5 : least(operators.map(([name, operand]) => shareOf(name, operand)));
    }),
  );
}

function shareOf(operator: string, operand: unknown): number {
  if (!Array.isArray(operand) || operand.length > 0) return 0.5;
  return operator === '$nin' ? 1 : operator === '$in' ? 0 : 0.5;
}

function least(shares: number[]): number {
  return shares.reduce((a, b) => Math.min(a, b), 1);
}

/** What is to change, as a copy. `vector` is checked by who knows its length. */
export function checkChanges(changes: Changes): EngineChanges {
  return door(() => {
    const { set, unset, text, context, vector } = readOptions(
      changes,
      ['set', 'unset', 'text', 'context', 'vector'],
      'changes',
    );
    if ([set, unset, text, context, vector].every((change) => change === undefined))
      throw invalid('changes: expected one or more of { set, unset, text, context, vector }');
    if (context !== undefined && text === undefined)
      throw invalid('changes: a context belongs to its text; give both, or upsert the whole record');
    const fields = readFields(set ?? {});
    if (unset !== undefined && !Array.isArray(unset))
      throw invalid(`changes.unset: expected an array of field paths, got ${describe(unset)}`);
    for (const path of [...Object.keys(fields), ...(unset ?? [])]) checkPath(path);
    for (const [path, value] of Object.entries(fields)) checkMetadata({ value }, () => `changes.set["${path}"]`);
    return {
      __proto__: null,
      set: copyOf(fields) as { [path: string]: MetadataValue },
      unset: [...(unset ?? [])],
      ...(text !== undefined && {
        text: withContext(
          checkText(text, () => 'changes.text'),
          context === undefined ? '' : checkText(context, () => 'changes.context'),
        ),
      }),
      ...(vector !== undefined && { vector: vector as Float32Array }),
    } as EngineChanges;
  });
}

function readFields(set: unknown): { readonly [path: string]: unknown } {
  if (!isPlainObject(set)) throw invalid(`changes.set: expected an object of field paths, got ${describe(set)}`);
  for (const name of ['text', 'vector']) {
    if (Object.hasOwn(set, name))
      throw invalid(
        `changes.set: "${name}" may mean two things. For the record's ${name}, write { ${name}: … } beside set; for a metadata field of that name, upsert the whole record`,
      );
  }
  return set;
}
