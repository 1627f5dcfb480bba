The table and the draws are read where they are needed: each number of the table serves ROWS rows.
//* part begin
//* part logits
//* for c in FEATURES
//* every 4 c
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
        let offset_0 = table[at].columns[QUADS][0];
        let offset_1 = table[at + 1u].columns[QUADS][0];
//* part means
        let again = (at + params.zero) & MOST; // read once more: kept, they would not fit the registers
//* for c in FEATURES
        {
            let e_0 = table[again].columns[$c/4][$c%4];
            let e_1 = table[again + 1u].columns[$c/4][$c%4];
//* for r in ROWS
            let half_$r = fma(p_$r_0.w, e_0.w, fma(p_$r_0.z, e_0.z, fma(p_$r_0.y, e_0.y, fma(p_$r_0.x, e_0.x, m_$r_$c/4.$c%4 * scale_$r))));
            m_$r_$c/4.$c%4 = fma(p_$r_1.w, e_1.w, fma(p_$r_1.z, e_1.z, fma(p_$r_1.y, e_1.y, fma(p_$r_1.x, e_1.x, half_$r))));
//* end
        }
//* end
//* part catch_up
//* part again
//* every 4 c
//* for r in ROWS
        let z_$r_$c/4 = vec4f(z[(first + $ru) * QUADS + $c/4u]);
//* end
//* end
//* part column
            let e = table[at].columns[$c/4][$c%4];
//* part offset
        let offset = table[at].columns[QUADS][0];
