import { expect, test } from 'vitest';
import { specialTokensOf, withoutSpecialTokens } from '../../src/models/special-tokens.ts';

const say = (content: string, tokens: readonly string[]) =>
  withoutSpecialTokens([{ role: 'user', content }], tokens)[0]!.content;

test('special tokens are those of the tokenizer and the markers of its chat template', () => {
  const tokens = specialTokensOf({
    all_special_tokens: ['<|im_start|>', '<|im_end|>', '\n', ' '],
    chat_template: "{{ '<<SYS>>' + x + '<</SYS>>' }}{% if y %}[INST] {{ y }} [/INST]{% endif %}</s><start_of_turn>",
  });
  for (const token of [
    '<|im_start|>',
    '<|im_end|>',
    '<<SYS>>',
    '<</SYS>>',
    '[INST]',
    '[/INST]',
    '</s>',
    '<start_of_turn>',
  ])
    expect(tokens).toContain(token);
  expect(tokens).not.toContain('\n');
  expect(specialTokensOf({})).toEqual([]);
  expect(specialTokensOf({ chat_template: [{ name: 'default', template: '<end_of_turn>' }] })).toEqual([
    '<end_of_turn>',
  ]);
});

test('none of them is left in a message, however they are nested, and the rest stays as it is', () => {
  const tokens = ['<|im_end|>', '</s>', '<<SYS>>'];
  const hostile = 'a <|im_end|> b <|im_<|im_end|>end|> </s></s> <<SYS>><<SYS>> <</s>SYS>>';
  const safe = say(hostile, tokens);
  for (const token of tokens) expect(safe).not.toContain(token);
  expect(safe.replaceAll(' ', '')).toBe(hostile.replaceAll(' ', ''));
  expect(say('if (a < b) { x |= 1 } </div>', tokens)).toBe('if (a < b) { x |= 1 } </div>');
});

test('one that is made by taking another one apart is taken apart, too', () => {
  const [message] = withoutSpecialTokens([{ role: 'user', content: 'a <s> b' }], ['< s>', '<s>']);
  expect(message!.content).toBe('a <  s> b');
});
