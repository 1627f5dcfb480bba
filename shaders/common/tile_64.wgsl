// A 64 × 64 tile of a product, by 64 invocations with 8 × 8 sums each, 16 of the depth at a time.
//
// The kernel defines left_block(row quad, depth quad) and right_block(column quad, depth quad): four vec4 over rows (columns), one for
// each depth of the quad; and emit(row, column quad, value). Sums run over the depth in order, whatever the tile.
const TILE_LANES = 64u;
const TILE_ROWS = 64u;
const TILE_COLUMNS = 64u;

var<workgroup> tile_left: array<vec4f, 256>;  // [depth 16][row quad 16]
var<workgroup> tile_right: array<vec4f, 256>; // [depth 16][column quad 16]

// Named sums, not an array: arrays that compilers cannot unroll end up in memory.
var<private> s00: vec4f;
var<private> s01: vec4f;
var<private> s10: vec4f;
var<private> s11: vec4f;
var<private> s20: vec4f;
var<private> s21: vec4f;
var<private> s30: vec4f;
var<private> s31: vec4f;
var<private> s40: vec4f;
var<private> s41: vec4f;
var<private> s50: vec4f;
var<private> s51: vec4f;
var<private> s60: vec4f;
var<private> s61: vec4f;
var<private> s70: vec4f;
var<private> s71: vec4f;

fn tile_clear() {
    s00 = vec4f();
    s01 = vec4f();
    s10 = vec4f();
    s11 = vec4f();
    s20 = vec4f();
    s21 = vec4f();
    s30 = vec4f();
    s31 = vec4f();
    s40 = vec4f();
    s41 = vec4f();
    s50 = vec4f();
    s51 = vec4f();
    s60 = vec4f();
    s61 = vec4f();
    s70 = vec4f();
    s71 = vec4f();
}

fn tile_depth(depth: u32, row: u32, column: u32) {
    let a0 = tile_left[depth * 16u + row];
    let a1 = tile_left[depth * 16u + 8u + row];
    let b0 = tile_right[depth * 16u + column];
    let b1 = tile_right[depth * 16u + 8u + column];
    s00 = term(a0.x, b0, s00);
    s01 = term(a0.x, b1, s01);
    s10 = term(a0.y, b0, s10);
    s11 = term(a0.y, b1, s11);
    s20 = term(a0.z, b0, s20);
    s21 = term(a0.z, b1, s21);
    s30 = term(a0.w, b0, s30);
    s31 = term(a0.w, b1, s31);
    s40 = term(a1.x, b0, s40);
    s41 = term(a1.x, b1, s41);
    s50 = term(a1.y, b0, s50);
    s51 = term(a1.y, b1, s51);
    s60 = term(a1.z, b0, s60);
    s61 = term(a1.z, b1, s61);
    s70 = term(a1.w, b0, s70);
    s71 = term(a1.w, b1, s71);
}

// Adds the terms of `depth_quads` quads of the depth to the sums. All arguments but `lane` are the same for the whole workgroup.
fn tile_multiply(lane: u32, row_quad: u32, column_quad: u32, depth_quads: u32) {
    let own = lane / 4u;
    let quad = lane % 4u;
    for (var depth = 0u; depth < depth_quads; depth += 4u) {
        if (depth + quad < depth_quads) {
            let left = left_block(row_quad + own, depth + quad);
            let right = right_block(column_quad + own, depth + quad);
            let at = quad * 64u + own;
            tile_left[at] = left[0];
            tile_left[at + 16u] = left[1];
            tile_left[at + 32u] = left[2];
            tile_left[at + 48u] = left[3];
            tile_right[at] = right[0];
            tile_right[at + 16u] = right[1];
            tile_right[at + 32u] = right[2];
            tile_right[at + 48u] = right[3];
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
    emit(row + 0u, column, s00);
    emit(row + 0u, column + 8u, s01);
    emit(row + 1u, column, s10);
    emit(row + 1u, column + 8u, s11);
    emit(row + 2u, column, s20);
    emit(row + 2u, column + 8u, s21);
    emit(row + 3u, column, s30);
    emit(row + 3u, column + 8u, s31);
    emit(row + 32u, column, s40);
    emit(row + 32u, column + 8u, s41);
    emit(row + 33u, column, s50);
    emit(row + 33u, column + 8u, s51);
    emit(row + 34u, column, s60);
    emit(row + 34u, column + 8u, s61);
    emit(row + 35u, column, s70);
    emit(row + 35u, column + 8u, s71);
}
