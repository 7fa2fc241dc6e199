// What both page and worker hold. Each imports it first, and the page its inlined worker right behind it: so the two copies lie within
// the 32 kB that gzip looks back, and the second one costs next to nothing (4.8 kB of the bundle when this came).
import 'comlink';
import './errors.ts';
import './text/highlight.ts';
import './protocol.ts';
import './checks.ts';
import './filter/check.ts';
import './filter/metadata.ts';
