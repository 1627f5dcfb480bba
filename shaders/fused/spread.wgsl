Each of eight lanes reads one column in eight and hands it on, from a texture: for a machine that reads lane by lane, such as software on
a CPU. It then reads an eighth as often, and a texture's four numbers at once, without branches.
//* part table
@group(0) @binding(3) var table: texture_storage_2d<rgba32float, read>;    // (columns of a quad, chunk's pairs · even component quads): table.wgsl
//* part begin
//* for r in ROWS
//* for q in QUADS
    let z_$r_$q = vec4f(z[(first + $ru) * QUADS + $qu]);
//* end
//* end
//* part offsets
//* for h in EIGHT
//* for b in BLOCKS
        let own_$b_$h = textureLoad(table, vec2u(8u * $bu + sub, at + $hu));
//* end
        let offset_$h = subgroupBroadcast(own_OFFSET_BLOCK_$h, FEATURES % 8u);
//* end
//* part logits
//* for h in EIGHT
//* for c in FEATURES
        {
            let e = subgroupBroadcast(own_$c/8_$h, $c%8u);
//* for r in ROWS
            x_$r_$h = fma(vec4f(z_$r_$c/4.$c%4), e, x_$r_$h);
//* end
        }
//* end
//* end
//* part means
//* for c in FEATURES
        {
            let e_0 = subgroupBroadcast(own_$c/8_0, $c%8u);
            let e_1 = subgroupBroadcast(own_$c/8_1, $c%8u);
//* include mean
        }
//* end
//* part offset
//* for b in BLOCKS
        let own_$b = textureLoad(table, vec2u(8u * $bu + sub, at));
//* end
        let offset = subgroupBroadcast(own_OFFSET_BLOCK, FEATURES % 8u);
//* part again
//* part draws
//* part column
            let e = subgroupBroadcast(own_$c/8, $c%8u);
