Each of eight lanes reads one column in eight and hands it on: a machine that reads lane by lane then reads an eighth as often. Such a
machine's compiler orders work well only between two reads, so each block of eight columns is read just before it is needed, and
Σ r_l ε_l runs eight components behind the logits: it shares their pauses.
//* part begin
//* for r in ROWS
//* for q in QUADS
    let z_$r_$q = vec4f(z[(first + $ru) * QUADS + $qu]);
//* end
//* end
//* for b in BLOCKS
//* for h in EIGHT
    var past_$b_$h = vec4f();
//* end
//* end
//* part logits
//* for r in ROWS
        let times_$r_0 = scale_$r;
        let times_$r_1 = 1.0;
//* end
//* for h in EIGHT
//* for c in FEATURES
//* every 8 c
        let own_$c/8_$h = table[at + $hu].columns[min(2u * $c/8u + sub / 4u, QUADS)][sub % 4u];
//* end
        {
            let e = subgroupBroadcast(own_$c/8_$h, $c%8u);
            let b = subgroupBroadcast(past_$c/8_$h, $c%8u);
//* for r in ROWS
            x_$r_$h = fma(vec4f(z_$r_$c/4.$c%4), e, x_$r_$h);
//* include behind
//* end
        }
//* end
//* end
//* for _ in TAIL
//* for h in EIGHT
        let own_OFFSET_BLOCK_$h = table[at + $hu].columns[QUADS][0];
//* end
//* end
        let offset_0 = subgroupBroadcast(own_OFFSET_BLOCK_0, FEATURES % 8u);
        let offset_1 = subgroupBroadcast(own_OFFSET_BLOCK_1, FEATURES % 8u);
//* for b in BLOCKS
//* for h in EIGHT
        past_$b_$h = own_$b_$h;
//* end
//* end
//* part behind
            m_$r_$c/4.$c%4 =
                fma(p_$r_$h.w, b.w, fma(p_$r_$h.z, b.z, fma(p_$r_$h.y, b.y, fma(p_$r_$h.x, b.x, m_$r_$c/4.$c%4 * times_$r_$h))));
//* part means
//* part catch_up
//* for r in ROWS
    let times_$r_0 = scale_$r;
    let times_$r_1 = 1.0;
//* end
//* for h in EIGHT
//* for c in FEATURES
    {
            let b = subgroupBroadcast(past_$c/8_$h, $c%8u);
//* for r in ROWS
//* include behind
//* end
    }
//* end
//* end
//* part again
//* every 8 c
        let own_$c/8 = table[at].columns[min(2u * $c/8u + sub / 4u, QUADS)][sub % 4u];
//* end
//* part column
            let e = subgroupBroadcast(own_$c/8, $c%8u);
//* part offset
//* for _ in TAIL
        let own_OFFSET_BLOCK = table[at].columns[QUADS][0];
//* end
        let offset = subgroupBroadcast(own_OFFSET_BLOCK, FEATURES % 8u);
