// ½|x − μ_l|² − ln w_l of every point x and component l: differences are squared, not expanded. One workgroup: one tile.
// Twin of src/reference/density.rs.
@group(0) @binding(1) var<storage, read> points: array<vec4f>;        // (rows, feature quads)
@group(0) @binding(2) var<storage, read> means: array<vec4f>;         // (k, feature quads)
@group(0) @binding(3) var<storage, read> weights: array<vec2f>;       // (k): w, ln w
@group(0) @binding(4) var<storage, read_write> out: array<f32>;       // (rows, 4·component quads)

fn left_block(row_quad: u32, depth_quad: u32) -> mat4x4f {
    let at = 4u * row_quad * params.feature_quads + depth_quad;
    let stride = params.feature_quads;
    return transpose(mat4x4f(points[at], points[at + stride], points[at + 2u * stride], points[at + 3u * stride]));
}

fn mean(l: u32, depth_quad: u32) -> vec4f {
    return means[min(l, params.n_components - 1u) * params.feature_quads + depth_quad];
}

fn right_block(column_quad: u32, depth_quad: u32) -> mat4x4f {
    let l = 4u * column_quad;
    return transpose(mat4x4f(mean(l, depth_quad), mean(l + 1u, depth_quad), mean(l + 2u, depth_quad), mean(l + 3u, depth_quad)));
}

fn store(row: u32, l: u32, squares: vec4f) {
    if (l < params.n_components) {
        let stride = 4u * params.component_quads;
        let at = row * stride + l;
        let result = 0.5 * squares - vec4f(weights[l].y);
        out[at] = result.x;
        out[at + stride] = result.y;
        out[at + 2u * stride] = result.z;
        out[at + 3u * stride] = result.w;
    }
}

fn emit(row: u32, column_quad: u32, values: mat4x4f) {
    let columns = transpose(values);
    store(row, 4u * column_quad, columns[0]);
    store(row, 4u * column_quad + 1u, columns[1]);
    store(row, 4u * column_quad + 2u, columns[2]);
    store(row, 4u * column_quad + 3u, columns[3]);
}

@compute @workgroup_size(TILE_LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = workgroup_index(group, groups);
    let columns = (4u * params.component_quads + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    if (tile >= n_rows() / TILE_ROWS * columns) {
        return;
    }
    let row_quad = tile / columns * (TILE_ROWS / 4u);
    let column_quad = tile % columns * (TILE_COLUMNS / 4u);
    tile_clear();
    tile_multiply(lane, row_quad, column_quad, params.feature_quads);
    tile_emit(lane, row_quad, column_quad);
}
