// The language models that this machine has, as `models/index.json` lists them. None is an answer: then the page quotes.

let list: Promise<readonly string[]> | undefined;

export function languageModels(): Promise<readonly string[]> {
  list ??= fetch('./models/index.json')
    .then((response) => (response.ok ? response.json() : []))
    .then((names: unknown) => (Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []))
    .catch(() => []);
  return list;
}
