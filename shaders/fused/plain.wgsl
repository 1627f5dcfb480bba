The table is read where it is needed.
//* part begin
//* part follow
//* part columns
//* part column
            let e = table[at + $c/4u][$c%4u];
//* part column_behind
            let b = table[behind + $c/4u][$c%4u];
//* part offset
        let offset = table[at + QUADS][0];
//* part catch_up
