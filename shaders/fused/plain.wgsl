The table is read where it is needed, and each of its numbers serves ROWS rows; so are the draws that the registers do not hold.
//* part table
@group(0) @binding(3) var<storage, read> table: array<Four>;               // (chunk's pairs, even component quads): table.wgsl
// Four components: ε on each coordinate, then their offsets in the first column of the last quad.
struct Four {
    columns: array<mat4x4f, QUADS + 1u>,
}
//* part begin
//* for r in ROWS
//* for q in KEPT_QUADS
    let z_$r_$q = vec4f(z[(first + $ru) * QUADS + $qu]);
//* end
//* end
//* part offsets
        let offset_0 = table[at].columns[QUADS][0];
        let offset_1 = table[at + 1u].columns[QUADS][0];
//* part logits
//* for c in FEATURES
//* every 4 c from KEPT
//* for r in ROWS
        let z_$r_$c/4 = vec4f(z[(first + $ru) * QUADS + $c/4u]);
//* end
//* end
        {
            let e_0 = table[at].columns[$c/4][$c%4];
            let e_1 = table[at + 1u].columns[$c/4][$c%4];
//* for r in ROWS
            x_$r_0 = fma(vec4f(z_$r_$c/4.$c%4), e_0, x_$r_0);
            x_$r_1 = fma(vec4f(z_$r_$c/4.$c%4), e_1, x_$r_1);
//* end
        }
//* end
//* part means
        let again = (at + params.zero) & MOST; // read once more: kept, they would not fit the registers
//* for c in FEATURES
        {
            let e_0 = table[again].columns[$c/4][$c%4];
            let e_1 = table[again + 1u].columns[$c/4][$c%4];
//* include mean
        }
//* end
//* part again
//* every 4 c from KEPT
//* for r in ROWS
        let z_$r_$c/4 = vec4f(z[(first + $ru) * QUADS + $c/4u]);
//* end
//* end
//* part draws
//* every 1 q from KEPT_QUADS
//* for r in ROWS
        let z_$r_$q = vec4f(z[(first + $ru) * QUADS + $qu]);
//* end
//* end
//* part column
            let e = table[at].columns[$c/4][$c%4];
//* part offset
        let offset = table[at].columns[QUADS][0];
