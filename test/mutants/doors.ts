// Mutants of the door: what users pass is checked, and does not do what it does not say.
import { breaking } from './mutant.ts';

const DELETE_ALL = 'test/field/10-delete-all.test.ts';
const OWN_KEYS = 'test/field/09-own-keys.browser.test.ts';
const CHECKS = 'test/unit/filter/check.test.ts';
const MESSAGES = 'test/field/16-messages.test.ts';
const DOOR = 'test/unit/door.test.ts';

export const doors = [
  ...breaking('src/api/target.ts', DELETE_ALL, [
    ['a filter without a condition does not delete all', 'if (share(filter) === 1) throw', 'if (false) throw'],
    ['an empty $or matches nothing', "if (key === '$or') return 1 - least", "if (key === '$or') return least"],
    ['$nin of nothing is no condition', "operator === '$nin' ? 1", "operator === '$nin' ? 0.5"],
    ['a target is one thing', 'given.length !== 1 ||', ''],
    ['all: false is not all', '(all !== undefined && all !== true)', 'false'],
  ]),
  ...breaking('src/checks.ts', OWN_KEYS, [
    [
      'what a page adds to Object.prototype is no option',
      'const own = Object.assign(Object.create(null), value);',
      'const own = Object.assign({}, value);',
    ],
  ]),
  ...breaking('src/filter/metadata.ts', OWN_KEYS, [
    [
      'a toJSON of all objects changes no metadata',
      "const isHooked = typeof (value as { toJSON?: unknown }).toJSON === 'function';",
      'const isHooked = false;',
    ],
  ]),
  ...breaking('src/checks.ts', MESSAGES, [
    [
      'what a getter throws is a PiramidError',
      "throw toPiramidError(error, 'INVALID_ARGUMENT', 'an argument could not be read');",
      'throw error;',
    ],
  ]),
  ...breaking('src/checks.ts', DOOR, [
    ['a vector has finite numbers', 'if (!Number.isFinite(sum)) {', 'if (false) {'],
    ['a zero vector has no cosine', "if (sum === 0 && metric === 'cosine') {", 'if (false) {'],
    ['an id is a safe integer', 'Number.isSafeInteger(id)', "typeof id === 'number'"],
    ['-0 and 0 are one id', 'Object.is(id, -0) ? 0 : (id as RecordId)', 'id as RecordId'],
    ['half of a surrogate pair is refused', 'if (!isWellFormed(text))', 'if (false)'],
    ['an unknown option is refused', 'if (!known.includes(key)) throw', 'if (false) throw'],
  ]),
  ...breaking('src/api/input.ts', DOOR, [
    ['one id stands in a call once', 'if (before !== undefined) throw', 'if (false) throw'],
    ['an unknown field of a record is refused', 'if (unknown !== null)', 'if (false)'],
  ]),
  ...breaking('src/api/door.ts', DOOR, [
    [
      'a vector has the length of its collection',
      'if (vector.length !== dimension) {',
      'if (vector.length > dimension) {',
    ],
    ['what crosses to the worker is a copy', 'copyOf(checkWhere(where)) as Where', 'checkWhere(where)'],
  ]),
  ...breaking('src/filter/check-where.ts', CHECKS, [
    [
      'a filter without its $ is told',
      'if (LOGICAL.includes(`$${key}`) && holdsFilters(value)) throw',
      'if (false) throw',
    ],
  ]),
  ...breaking('src/filter/check-metadata.ts', CHECKS, [
    ['filters nest 32 levels deep', 'if (depth > walk.depthMax)', 'if (depth > walk.depthMax + 1)'],
    ['a name in metadata does not begin with $', "if (key.startsWith('$')) problem =", 'if (false) problem ='],
  ]),
  ...breaking('src/structures/changes.ts', DOOR, [
    [
      'a field called __proto__ is data',
      'Object.defineProperty(object, key, property as PropertyDescriptor);',
      'object[key] = value;',
    ],
    ['an update goes through no value', 'onBlocked(change[0], key, below);', ''],
  ]),
];
