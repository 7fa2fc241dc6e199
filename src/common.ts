// What both page and worker hold. Each imports it first, and the page its inlined worker right behind it: so the two copies lie within
// the 32 kB that gzip looks back, and the second one costs next to nothing. The library is built by tools/core.ts, which makes
// them equal; this is for what Vite bundles from the sources (the demo).
import 'comlink';
import './errors.ts';
import './text/highlight.ts';
import './protocol.ts';
import './checks.ts';
import './filter/check.ts';
import './filter/metadata.ts';
