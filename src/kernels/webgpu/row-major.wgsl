// How scan.wgsl sums a tile of rows that lie one after the other: the threads of a subgroup read each row of theirs together, ROWS of
// them at a time. Lines that begin with ROW are repeated for each of these, with its number for `#`. A row's reader gives its
// place and whether it is read to all, so that they take the same branches, which the compiler cannot see.
for (var turn = 0u; turn < lanes; turn += ROWS) {
  var some = 0u;
  ROW some |= subgroupShuffle(u32(reads), turn + #u);
  if (some == 0u) { continue; }
  // Of one that is not read, the first row's numbers, and nobody takes the sum.
  ROW let begin# = subgroupShuffle(select(0u, start + done, reads), turn + #u);
  EACH ROW var part$_# = Sum();
  for (var i = lane; i < count; i += lanes) {
    ROW let x# = rows[begin# + i];
    EACH ROW part$_# = add(part$_#, x#, tileAt($u, i));
  }
  EACH ROW let whole$_# = subgroupAdd(folded(part$_#));
  EACH ROW if (lane == turn + #u) { sum$ += whole$_#; }
}
