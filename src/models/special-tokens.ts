// Text that people wrote, given to a language model as text: what stands in it for a special token of the model that is loaded, or for
// a marker of its chat template, is written so that it is none. Otherwise a document could end its turn and speak as another role.
import type { ChatMessage } from '../types.ts';

/** "<|im_end|>", "<end_of_turn>", "</s>", "<<SYS>>", "[INST]": what templates write between the turns. */
const MARKER = /<\|[^|<>]{1,40}\|>|<<\/?\w{1,40}>>|<\/?\w{1,40}>|\[\/?[A-Z_]{2,40}\]/g;

export interface ChatTokenizer {
  all_special_tokens?: readonly string[];
  /** Jinja, or several by name. */
  chat_template?: unknown;
}

/** What must not stand in a message of a model with this tokenizer, longest first. */
export function specialTokensOf({ all_special_tokens = [], chat_template }: ChatTokenizer): readonly string[] {
  const templates = typeof chat_template === 'string' ? chat_template : (JSON.stringify(chat_template) ?? '');
  const tokens = new Set([...all_special_tokens, ...(templates.match(MARKER) ?? [])]);
  return [...tokens].filter((token) => token.trim().length > 1).sort((a, b) => b.length - a.length);
}

/** The messages, with a space inside of each special token. */
export function withoutSpecialTokens(messages: readonly ChatMessage[], tokens: readonly string[]): ChatMessage[] {
  return messages.map((message) => ({ ...message, content: harmless(message.content, tokens) }));
}

/** The text, with a space inside of each special token. */
export function harmless(text: string, tokens: readonly string[]): string {
  for (let safe = text, rest = tokens; ; rest = rest.filter((token) => safe.includes(token))) {
    // One that is gone may have hidden another.
    for (const token of rest) safe = safe.replaceAll(token, `${token[0]} ${token.slice(1)}`);
    if (!rest.some((token) => safe.includes(token))) return safe;
  }
}
