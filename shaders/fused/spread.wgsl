Each of eight lanes reads one column in eight and hands it on: a machine that reads lane by lane then reads an eighth as often.
//* part begin
//* for b in BLOCKS
    var own_$b = table[start + min(2u * $bu + sub / 4u, QUADS)][sub % 4u];
    var past_$b = own_$b;
//* end
//* part follow
//* for b in BLOCKS
        past_$b = own_$b;
        own_$b = table[at + min(2u * $bu + sub / 4u, QUADS)][sub % 4u];
//* end
//* part columns
//* for b in BLOCKS
        let own_$b = table[at + min(2u * $bu + sub / 4u, QUADS)][sub % 4u];
//* end
//* part column
            let e = subgroupBroadcast(own_$c/8, $c%8u);
//* part column_behind
            let b = subgroupBroadcast(past_$c/8, $c%8u);
//* part offset
        let offset = subgroupBroadcast(own_OFFSET_BLOCK, FEATURES % 8u);
//* part catch_up
//* for b in BLOCKS
    past_$b = own_$b;
//* end
