// A tile of 64 rows of a product, by 64 invocations with 8 rows × 4 or 8 columns of sums each, 16 of the depth at a time.
//
// The kernel defines left_block(row quad, depth quad) and right_block(column quad, depth quad): four vec4 over rows (columns), one for
// each depth of the quad; and emit(row, column quad, values) of four rows. Sums run over the depth in order, whatever the tile. src/gpu/unroll.rs writes
// the repetitions out: g is one half of an invocation's rows, i a row of the half, b one of its column quads.
const TILE_LANES = 64u;
const TILE_ROWS = 64u;
const TILE_COLUMNS = 4u * TILE_QUADS;

var<workgroup> tile_left: array<vec4f, 256>; // [depth 16][row quad 16]
var<workgroup> tile_right: array<vec4f, 16u * TILE_QUADS>; // [depth 16][column quad]

// Named sums, not an array: arrays that compilers cannot unroll end up in memory.
//* for g in HALVES
//* for i in FOUR
//* for b in BLOCKS
var<private> s_$g$i_$b: vec4f;
//* end
//* end
//* end

fn tile_clear() {
//* for g in HALVES
//* for i in FOUR
//* for b in BLOCKS
    s_$g$i_$b = vec4f();
//* end
//* end
//* end
}

fn tile_depth(depth: u32, row: u32, column: u32) {
//* for g in HALVES
    let a$g = tile_left[depth * 16u + 8u * $gu + row];
//* end
//* for b in BLOCKS
    let b$b = tile_right[depth * TILE_QUADS + 8u * $bu + column];
//* end
//* for g in HALVES
//* for i in FOUR
//* for b in BLOCKS
    s_$g$i_$b = term(a$g.$i%4, b$b, s_$g$i_$b);
//* end
//* end
//* end
}

// Adds the terms of `depth_quads` quads of the depth to the sums. All arguments but `lane` are the same for the whole workgroup.
fn tile_multiply(lane: u32, row_quad: u32, column_quad: u32, depth_quads: u32) {
    let own = lane / 4u;
    let quad = lane % 4u;
    for (var depth = 0u; depth < depth_quads; depth += 4u) {
        if (depth + quad < depth_quads) {
            let left = left_block(row_quad + own, depth + quad);
            let at = quad * 64u + own;
            tile_left[at] = left[0];
            tile_left[at + 16u] = left[1];
            tile_left[at + 32u] = left[2];
            tile_left[at + 48u] = left[3];
            if (own < TILE_QUADS) {
                let right = right_block(column_quad + own, depth + quad);
                let to = 4u * quad * TILE_QUADS + own;
                tile_right[to] = right[0];
                tile_right[to + TILE_QUADS] = right[1];
                tile_right[to + 2u * TILE_QUADS] = right[2];
                tile_right[to + 3u * TILE_QUADS] = right[3];
            }
        }
        workgroupBarrier();
        let n = min(4u, depth_quads - depth);
        for (var q = 0u; q < n; q += 1u) {
//* for d in FOUR
            tile_depth(4u * q + $du, lane / 8u, lane % 8u);
//* end
        }
        workgroupBarrier();
    }
}

fn tile_emit(lane: u32, row_quad: u32, column_quad: u32) {
    let row = 4u * (row_quad + lane / 8u);
    let column = column_quad + lane % 8u;
//* for g in HALVES
//* for b in BLOCKS
    emit(row + 32u * $gu, column + 8u * $bu, mat4x4f(s_$g0_$b, s_$g1_$b, s_$g2_$b, s_$g3_$b));
//* end
//* end
}
