// A tile of 64 rows by eight invocations, a subgroup: 8 rows × all columns of sums each, one quad of the depth at a time. Each invocation
// reads one column quad in eight and hands it on to the others: for machines that read lane by lane, such as software on a CPU.
//
// The same contract, and the same order of sums, as tile.wgsl. src/gpu/unroll.rs writes the repetitions out: g is one half of an
// invocation's rows, i a row of the half, j a column quad, d a depth, b a block of columns that one invocation reads.
const TILE_LANES = 8u;
const TILE_ROWS = 64u;
const TILE_COLUMNS = 4u * TILE_QUADS;

//* for g in HALVES
//* for i in FOUR
//* for j in QUADS
var<private> s_$g$i_$j: vec4f;
//* end
//* end
//* end

fn tile_clear() {
//* for g in HALVES
//* for i in FOUR
//* for j in QUADS
    s_$g$i_$j = vec4f();
//* end
//* end
//* end
}

// Adds the terms of `depth_quads` quads of the depth to the sums. All arguments but `lane` are the same for the whole workgroup.
fn tile_multiply(lane: u32, row_quad: u32, column_quad: u32, depth_quads: u32) {
    for (var depth = 0u; depth < depth_quads; depth += 1u) {
        let left_0 = left_block(row_quad + lane, depth);
        let left_1 = left_block(row_quad + 8u + lane, depth);
//* for b in BLOCKS
        let right_$b = right_block(column_quad + 8u * $bu + lane % min(8u, TILE_QUADS), depth);
//* end
        // Sixteen sums stay in registers while all of the depth is added to them.
//* for j in QUADS
//* for g in HALVES
//* for d in DEPTH
        {
            let b = subgroupBroadcast(right_$j/8[$d], $j%8u);
//* for i in FOUR
            s_$g$i_$j = term(left_$g[$d][$i], b, s_$g$i_$j);
//* end
        }
//* end
//* end
//* end
    }
}

fn tile_emit(lane: u32, row_quad: u32, column_quad: u32) {
//* for j in QUADS
//* for g in HALVES
    emit(4u * (row_quad + 8u * $gu + lane), column_quad + $ju, mat4x4f(s_$g0_$j, s_$g1_$j, s_$g2_$j, s_$g3_$j));
//* end
//* end
}
