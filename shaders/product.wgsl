// out[row, l] = ⟨rows[row], μ_l − o⟩, plus the pair's offset of l if ADD_OFFSETS: logits of draws, or projections of
// vectors. One workgroup: one tile, in one pair. Bindings 1 and 2, rows and means, are in common/rows_… and
// common/means_…. Twin of src/reference/density.rs (logits) and src/reference/reverse_fisher.rs (projections).
@group(0) @binding(3) var<storage, read> origins: array<u32>;        // (pairs)
@group(0) @binding(4) var<storage, read> offsets: array<vec4f>;      // (pairs, component quads)
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;    // (rows, component quads)

var<private> tile_pair: u32;
var<private> tile_origin: u32;

fn left_block(row_quad: u32, depth_quad: u32) -> mat4x4f {
    let at = 4u * row_quad * params.feature_quads + depth_quad;
    let stride = params.feature_quads;
    return transpose(mat4x4f(row_at(at), row_at(at + stride), row_at(at + 2u * stride), row_at(at + 3u * stride)));
}

// ε_l on one quad of coordinates; zero for padding.
fn epsilon(l: u32, depth_quad: u32, origin: vec4f) -> vec4f {
    if (l >= params.n_components) {
        return vec4f();
    }
    let first = tile_pair / params.n_strata * params.n_components;
    return mean_at((first + l) * params.feature_quads + depth_quad) - origin;
}

fn right_block(column_quad: u32, depth_quad: u32) -> mat4x4f {
    let origin = mean_at(tile_origin * params.feature_quads + depth_quad);
    let l = 4u * column_quad;
    return transpose(mat4x4f(
        epsilon(l, depth_quad, origin),
        epsilon(l + 1u, depth_quad, origin),
        epsilon(l + 2u, depth_quad, origin),
        epsilon(l + 3u, depth_quad, origin),
    ));
}

fn emit(row: u32, column_quad: u32, values: mat4x4f) {
    let stride = params.component_quads;
    if (column_quad < stride) {
        var offset = vec4f();
        if (ADD_OFFSETS) {
            offset = offsets[tile_pair * stride + column_quad];
        }
        let at = row * stride + column_quad;
        out[at] = values[0] + offset;
        out[at + stride] = values[1] + offset;
        out[at + 2u * stride] = values[2] + offset;
        out[at + 3u * stride] = values[3] + offset;
    }
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
    tile_pair = pair_of_row(4u * row_quad);
    tile_origin = origins[tile_pair];
    tile_clear();
    tile_multiply(lane, row_quad, column_quad, params.feature_quads);
    tile_emit(lane, row_quad, column_quad);
}
