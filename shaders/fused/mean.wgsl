//* for r in ROWS
            let half_$r = fma(p_$r_0.w, e_0.w, fma(p_$r_0.z, e_0.z, fma(p_$r_0.y, e_0.y, fma(p_$r_0.x, e_0.x, m_$r_$c/4.$c%4 * scale_$r))));
            m_$r_$c/4.$c%4 = fma(p_$r_1.w, e_1.w, fma(p_$r_1.z, e_1.z, fma(p_$r_1.y, e_1.y, fma(p_$r_1.x, e_1.x, half_$r))));
//* end
