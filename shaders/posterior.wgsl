// V[row] = centre − M(x) = e − Σ_l r_l ε_l, with ε_l = μ_l − o. One workgroup: one tile, in one pair. Bindings 1 and 2,
// responsibilities and means, are in common/rows_… and common/means_….
// Twin of src/reference/posterior.rs.
@group(0) @binding(3) var<storage, read> origins: array<u32>;            // (pairs)
@group(0) @binding(4) var<storage, read> frames: array<vec4f>;           // (2, pairs, feature quads)
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;        // (rows, feature quads)

var<private> tile_pair: u32;
var<private> tile_origin: u32;

fn left_block(row_quad: u32, depth_quad: u32) -> mat4x4f {
    let stride = params.component_quads;
    let at = 4u * row_quad * stride + depth_quad;
    return transpose(mat4x4f(row_at(at), row_at(at + stride), row_at(at + 2u * stride), row_at(at + 3u * stride)));
}

fn epsilon(l: u32, column_quad: u32, origin: vec4f) -> vec4f {
    if (l >= params.n_components) {
        return vec4f();
    }
    let first = tile_pair / params.n_strata * params.n_components;
    return mean_at((first + l) * params.feature_quads + column_quad) - origin;
}

fn right_block(column_quad: u32, depth_quad: u32) -> mat4x4f {
    if (column_quad >= params.feature_quads) {
        return mat4x4f();
    }
    let origin = mean_at(tile_origin * params.feature_quads + column_quad);
    let l = 4u * depth_quad;
    return mat4x4f(
        epsilon(l, column_quad, origin),
        epsilon(l + 1u, column_quad, origin),
        epsilon(l + 2u, column_quad, origin),
        epsilon(l + 3u, column_quad, origin),
    );
}

fn emit(row: u32, column_quad: u32, values: mat4x4f) {
    let stride = params.feature_quads;
    if (column_quad < stride) {
        let e = frames[(params.side * params.all_pairs + tile_pair) * stride + column_quad];
        let at = row * stride + column_quad;
        out[at] = e - values[0];
        out[at + stride] = e - values[1];
        out[at + 2u * stride] = e - values[2];
        out[at + 3u * stride] = e - values[3];
    }
}

@compute @workgroup_size(TILE_LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = workgroup_index(group, groups);
    let columns = (4u * params.feature_quads + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    if (tile >= n_rows() / TILE_ROWS * columns) {
        return;
    }
    let row_quad = tile / columns * (TILE_ROWS / 4u);
    let column_quad = tile % columns * (TILE_COLUMNS / 4u);
    tile_pair = pair_of_row(4u * row_quad);
    tile_origin = origins[tile_pair];
    tile_clear();
    tile_multiply(lane, row_quad, column_quad, params.component_quads);
    tile_emit(lane, row_quad, column_quad);
}
