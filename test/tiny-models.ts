// Models small enough to be made where they are needed: cross-encoders that count the words which query and text have in common. They
// run through transformers.js and ONNX Runtime like any other, so a clean checkout can test these. Served by vitest.config.ts.
import type { Plugin } from 'vite';

const encoder = new TextEncoder();
type Bytes = Uint8Array<ArrayBuffer>;

// ---- ONNX: just enough of its Protocol Buffers to write a graph.

function joined(parts: readonly Uint8Array[]): Bytes {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...varint(Math.floor(value / 128))];
}

const integer = (field: number, value: number) => Uint8Array.from([...varint(field * 8), ...varint(value)]);
const bytes = (field: number, value: Uint8Array) =>
  joined([Uint8Array.from([...varint(field * 8 + 2), ...varint(value.length)]), value]);
const string = (field: number, value: string) => bytes(field, encoder.encode(value));
const message = (field: number, ...parts: Uint8Array[]) => bytes(field, joined(parts));

const FLOAT = 1;
const INT64 = 7;

/** A constant, little-endian. */
function constant(name: string, type: number, dims: number[], values: Float32Array | BigInt64Array): Uint8Array {
  const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return message(5, ...dims.map((dim) => integer(1, dim)), integer(2, type), string(8, name), bytes(9, raw));
}

/** An input or output; dimensions that are strings are of any length. */
function port(field: 11 | 12, name: string, type: number, dims: (string | number)[]): Uint8Array {
  const shape = dims.map((dim) => message(1, typeof dim === 'string' ? string(2, dim) : integer(1, dim)));
  return message(field, string(1, name), message(2, message(1, integer(1, type), message(2, ...shape))));
}

/** One operation, with integer attributes. */
function node(op: string, inputs: string[], output: string, attributes: { [name: string]: number } = {}): Uint8Array {
  const given = Object.entries(attributes).map(([name, value]) =>
    message(5, string(1, name), integer(3, value), integer(20, 2)),
  );
  return message(
    1,
    ...inputs.map((input) => string(1, input)),
    string(2, output),
    string(3, output),
    string(4, op),
    ...given,
  );
}

function model(...graph: Uint8Array[]): Bytes {
  return joined([integer(1, 8), message(7, string(2, 'tiny'), ...graph), message(8, string(1, ''), integer(2, 17))]);
}

// ---- The cross-encoder.

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
/** All that it reads; any other word is unknown and counts nothing. `poison` counts as NaN. */
const WORDS =
  'people live in berlin how many museum paintings gold silver ship whale captain ahab bread dough moon sea river army poison header'.split(
    ' ',
  );
const VOCABULARY = [...SPECIAL, ...WORDS];
/** Of a pair, special tokens included. */
export const TINY_TOKENS_MAX = 24;

export interface Tiny {
  labels?: number;
  /** What a word in common adds to the logit. */
  weight?: number;
}

/**
 * The logit is `weight` times the words in common (each as often as query times text have it), less 2. Separators count as words, and
 * every pair has one in common: one more would show.
 */
function weights({ labels = 1, weight = 1 }: Tiny): Bytes {
  const size = VOCABULARY.length;
  const rows = new Float32Array(size * size);
  for (let i = SPECIAL.indexOf('[SEP]'); i < size; i++)
    rows[i * size + i] = VOCABULARY[i] === 'poison' ? Number.NaN : 1;
  const ids = ['batch', 'tokens'];
  return model(
    node('Gather', ['rows', 'input_ids'], 'words'),
    node('Cast', ['token_type_ids'], 'types', { to: FLOAT }),
    node('Cast', ['attention_mask'], 'mask', { to: FLOAT }),
    node('Mul', ['types', 'mask'], 'ofText'),
    node('Sub', ['mask', 'ofText'], 'ofQuery'),
    node('Unsqueeze', ['ofText', 'one'], 'textRow'),
    node('Unsqueeze', ['ofQuery', 'one'], 'queryRow'),
    node('MatMul', ['textRow', 'words'], 'text'),
    node('MatMul', ['queryRow', 'words'], 'query'),
    node('Mul', ['text', 'query'], 'common'),
    node('ReduceSum', ['common', 'two'], 'count', { keepdims: 0 }),
    node('Mul', ['count', 'weight'], 'weighed'),
    node('Sub', ['weighed', 'bias'], 'logit'),
    node('MatMul', ['logit', 'labels'], 'logits'),
    constant('rows', FLOAT, [size, size], rows),
    constant('one', INT64, [1], BigInt64Array.of(1n)),
    constant('two', INT64, [1], BigInt64Array.of(2n)),
    constant('weight', FLOAT, [1], Float32Array.of(weight)),
    constant('bias', FLOAT, [1], Float32Array.of(2 + weight)),
    // Of several labels, all but the last are 0.
    constant(
      'labels',
      FLOAT,
      [1, labels],
      Float32Array.from({ length: labels }, (_, i) => (i === labels - 1 ? 1 : 0)),
    ),
    ...['input_ids', 'attention_mask', 'token_type_ids'].map((name) => port(11, name, INT64, ids)),
    port(12, 'logits', FLOAT, ['batch', labels]),
  );
}

function tokenizer(): object {
  const special = SPECIAL.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }));
  const token = (id: string, type_id: number) => ({ SpecialToken: { id, type_id } });
  const text = (id: string, type_id: number) => ({ Sequence: { id, type_id } });
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special,
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single: [token('[CLS]', 0), text('A', 0), token('[SEP]', 0)],
      pair: [token('[CLS]', 0), text('A', 0), token('[SEP]', 0), text('B', 1), token('[SEP]', 1)],
      special_tokens: {
        '[CLS]': { id: '[CLS]', ids: [2], tokens: ['[CLS]'] },
        '[SEP]': { id: '[SEP]', ids: [3], tokens: ['[SEP]'] },
      },
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(VOCABULARY.map((word, id) => [word, id])),
    },
  };
}

/** Files of a model, by their paths below its folder. */
export function tinyCrossEncoder(tiny: Tiny = {}): { [path: string]: Bytes } {
  const json = (value: object) => encoder.encode(JSON.stringify(value));
  return {
    'config.json': json({
      model_type: 'bert',
      architectures: ['BertForSequenceClassification'],
      max_position_embeddings: 512,
      id2label: Object.fromEntries(Array.from({ length: tiny.labels ?? 1 }, (_, i) => [i, `LABEL_${i}`])),
    }),
    'tokenizer.json': json(tokenizer()),
    'tokenizer_config.json': json({
      tokenizer_class: 'BertTokenizer',
      model_max_length: TINY_TOKENS_MAX,
      do_lower_case: true,
      ...Object.fromEntries(
        ['pad', 'unk', 'cls', 'sep', 'mask'].map((name, i) => [`${name}_token`, SPECIAL[i]!] as const),
      ),
    }),
    'onnx/model_quantized.onnx': weights(tiny),
  };
}

/** The models below `/tiny-models/`. `contrary` fails its self-test: words in common count against a text. */
const MODELS: { [name: string]: Tiny } = {
  'tiny/cross-encoder': {},
  'tiny/two-labels': { labels: 2 },
  'tiny/three-labels': { labels: 3 },
  'tiny/contrary': { weight: -1 },
};

/** Vite plugin: serves them. */
export function tinyModels(): Plugin {
  const files = new Map<string, Bytes>();
  for (const [name, tiny] of Object.entries(MODELS)) {
    for (const [path, content] of Object.entries(tinyCrossEncoder(tiny)))
      files.set(`/tiny-models/${name}/${path}`, content);
  }
  return {
    name: 'tiny-models',
    configureServer({ middlewares }) {
      middlewares.use((request, response, next) => {
        const { pathname } = new URL(request.url ?? '/', 'http://localhost');
        if (!pathname.startsWith('/tiny-models/')) return next();
        const content = files.get(pathname);
        response.statusCode = content ? 200 : 404;
        response.setHeader(
          'Content-Type',
          pathname.endsWith('.json') ? 'application/json' : 'application/octet-stream',
        );
        if (content) response.setHeader('Content-Length', content.length);
        response.end(content);
      });
    },
  };
}
