// Runs of marks (accents, vowel signs) as long as any writing has them. Unicode's normal forms sort the marks of a letter, which takes
// time that grows with the square of their number: 80,000 would hold the thread for seconds. As in UAX #15's Stream-Safe Text Format.

/** One by one: a regular expression that takes a whole run in can run out of stack. */
const BEYOND = /(?<=\p{M}{30})\p{M}/gu;

/** `text`, of each run of marks the first 30. */
export function withShortMarks(text: string): string {
  return text.replace(BEYOND, '');
}
