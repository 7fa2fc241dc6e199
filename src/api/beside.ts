// Where code is that is loaded on demand, if nobody says so: beside this script, in each of its forms. The build of the ES module puts
// another text in this one's place (tools/beside.ts), in which bundlers see files that they have to take along.
const HERE = (globalThis.document?.currentScript as HTMLScriptElement | null)?.src || import.meta.url;

export function beside(file: string): string {
  return new URL(PIRAMID_SOURCES?.[file] ?? file, HERE).href;
}
