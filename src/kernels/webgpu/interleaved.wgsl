// How scan.wgsl sums a tile of rows that lie interleaved: each thread reads its own, and the threads' loads are side by side.
if (reads) {
  EACH var part$ = Sum();
  var at = start + done * GROUP;
  var i = 0u;
  // Four loads under way at once.
  for (; i + 4u <= count; i += 4u) {
    let x = rows[at];
    let y = rows[at + GROUP];
    let z = rows[at + 2u * GROUP];
    let w = rows[at + 3u * GROUP];
    EACH part$ = add(add(add(add(part$, x, tileAt($u, i)), y, tileAt($u, i + 1u)), z, tileAt($u, i + 2u)), w, tileAt($u, i + 3u));
    at += 4u * GROUP;
  }
  for (; i < count; i++) {
    let x = rows[at];
    EACH part$ = add(part$, x, tileAt($u, i));
    at += GROUP;
  }
  EACH sum$ += folded(part$);
}
