// A 64 × 32 tile of a product, by 64 invocations with 8 × 4 sums each, 16 of the depth at a time: for few columns.
//
// The same contract, and the same order of sums, as tile_64.wgsl.
const TILE_LANES = 64u;
const TILE_ROWS = 64u;
const TILE_COLUMNS = 32u;

var<workgroup> tile_left: array<vec4f, 256>;  // [depth 16][row quad 16]
var<workgroup> tile_right: array<vec4f, 128>; // [depth 16][column quad 8]

var<private> s0: vec4f;
var<private> s1: vec4f;
var<private> s2: vec4f;
var<private> s3: vec4f;
var<private> s4: vec4f;
var<private> s5: vec4f;
var<private> s6: vec4f;
var<private> s7: vec4f;

fn tile_clear() {
    s0 = vec4f();
    s1 = vec4f();
    s2 = vec4f();
    s3 = vec4f();
    s4 = vec4f();
    s5 = vec4f();
    s6 = vec4f();
    s7 = vec4f();
}

fn tile_depth(depth: u32, row: u32, column: u32) {
    let a0 = tile_left[depth * 16u + row];
    let a1 = tile_left[depth * 16u + 8u + row];
    let b = tile_right[depth * 8u + column];
    s0 = term(a0.x, b, s0);
    s1 = term(a0.y, b, s1);
    s2 = term(a0.z, b, s2);
    s3 = term(a0.w, b, s3);
    s4 = term(a1.x, b, s4);
    s5 = term(a1.y, b, s5);
    s6 = term(a1.z, b, s6);
    s7 = term(a1.w, b, s7);
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
            if (own < 8u) {
                let right = right_block(column_quad + own, depth + quad);
                let to = quad * 32u + own;
                tile_right[to] = right[0];
                tile_right[to + 8u] = right[1];
                tile_right[to + 16u] = right[2];
                tile_right[to + 24u] = right[3];
            }
        }
        workgroupBarrier();
        let n = min(4u, depth_quads - depth);
        for (var q = 0u; q < n; q += 1u) {
            tile_depth(4u * q, lane / 8u, lane % 8u);
            tile_depth(4u * q + 1u, lane / 8u, lane % 8u);
            tile_depth(4u * q + 2u, lane / 8u, lane % 8u);
            tile_depth(4u * q + 3u, lane / 8u, lane % 8u);
        }
        workgroupBarrier();
    }
}

fn tile_emit(lane: u32, row_quad: u32, column_quad: u32) {
    let row = 4u * (row_quad + lane / 8u);
    let column = column_quad + lane % 8u;
    emit(row + 0u, column, s0);
    emit(row + 1u, column, s1);
    emit(row + 2u, column, s2);
    emit(row + 3u, column, s3);
    emit(row + 32u, column, s4);
    emit(row + 33u, column, s5);
    emit(row + 34u, column, s6);
    emit(row + 35u, column, s7);
}
