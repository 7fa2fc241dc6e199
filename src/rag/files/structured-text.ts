// reStructuredText: read as it stands; its title is the first line that is underlined.

const ADORNMENT = /^([!-/:-@[-`{-~])\1{2,}[ \t]*$/;

/** The first section title, '' without any. */
export function structuredTextTitle(source: string): string {
  let before = '';
  for (const { 0: line } of source.matchAll(/[^\r\n]+/g)) {
    const isUnder = before.trim() !== '' && ADORNMENT.test(line) && line.trimEnd().length >= before.trim().length;
    if (isUnder && !ADORNMENT.test(before) && /[\p{L}\p{N}]/u.test(before)) return before.trim();
    before = line;
  }
  return '';
}
