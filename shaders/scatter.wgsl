// The contributions of the samples of all strata to every gradient row i: Σ_rows P_i a + Q_i (z + e), with P_i =
// weight·r_i, Q_i = P_i (⟨μ_i − M, a⟩ + extra·½|a|²), each stratum times its weight. One workgroup owns one tile of (k,
// features) of one group of one replicate and takes that group's rows in order, a block at a time: no atomics, and the
// same sums for any division into chunks. Twin of src/reference/forward_fisher.rs.
@group(0) @binding(1) var<storage, read> responsibilities: array<vec4f>;   // (rows, component quads)
@group(0) @binding(2) var<storage, read> projections: array<vec4f>;        // (rows, component quads): ⟨μ_i − M, a⟩
@group(0) @binding(3) var<storage, read> residuals: array<vec4f>;          // (rows, feature quads): a
@group(0) @binding(4) var<storage, read> z: array<Draw4>;                  // (rows, feature quads)
@group(0) @binding(5) var<storage, read> frames: array<vec4f>;             // (2, pairs, feature quads)
@group(0) @binding(6) var<storage, read> statistics: array<vec4f>;         // (rows, 2)
@group(0) @binding(7) var<storage, read> strata_weights: array<vec2f>;     // (C)
@group(0) @binding(8) var<storage, read_write> sums: array<vec4f>;         // (R, groups, k, feature quads)

// The current block: its pair, its first row and number of rows. The depth runs over its rows twice: for P and a, then for Q and z + e.
var<private> block_pair: u32;
var<private> block_row: u32;
var<private> block_rows: u32;
var<private> block_fresh: bool;
var<private> block_sums: u32;

// P_i of one row for four components, or Q_i.
fn factors(offset: u32, component_quad: u32, second: bool) -> vec4f {
    if (offset >= block_rows) {
        return vec4f();
    }
    let row = block_row + offset;
    let at = row * params.component_quads + component_quad;
    let own = statistics[2u * row + 1u];
    let p = own.y * responsibilities[at];
    return select(p, p * (projections[at] + vec4f(params.extra * own.x)), second);
}

fn left_block(row_quad: u32, depth_quad: u32) -> mat4x4f {
    if (row_quad >= params.component_quads) {
        return mat4x4f();
    }
    let block_quads = (block_rows + 3u) / 4u;
    let second = depth_quad >= block_quads;
    let row = 4u * select(depth_quad, depth_quad - block_quads, second);
    return mat4x4f(
        factors(row, row_quad, second),
        factors(row + 1u, row_quad, second),
        factors(row + 2u, row_quad, second),
        factors(row + 3u, row_quad, second),
    );
}

fn vector(offset: u32, quad: u32, second: bool, e: vec4f) -> vec4f {
    if (offset >= block_rows) {
        return vec4f();
    }
    let at = (block_row + offset) * params.feature_quads + quad;
    return select(residuals[at], vec4f(z[at]) + e, second);
}

fn right_block(column_quad: u32, depth_quad: u32) -> mat4x4f {
    if (column_quad >= params.feature_quads) {
        return mat4x4f();
    }
    let block_quads = (block_rows + 3u) / 4u;
    let second = depth_quad >= block_quads;
    let row = 4u * select(depth_quad, depth_quad - block_quads, second);
    let e = frames[block_pair * params.feature_quads + column_quad];
    return mat4x4f(
        vector(row, column_quad, second, e),
        vector(row + 1u, column_quad, second, e),
        vector(row + 2u, column_quad, second, e),
        vector(row + 3u, column_quad, second, e),
    );
}

fn emit(component: u32, column_quad: u32, values: mat4x4f) {
    emit_one(component, column_quad, values[0]);
    emit_one(component + 1u, column_quad, values[1]);
    emit_one(component + 2u, column_quad, values[2]);
    emit_one(component + 3u, column_quad, values[3]);
}

fn emit_one(component: u32, column_quad: u32, value: vec4f) {
    if (component < params.n_components && column_quad < params.feature_quads) {
        let at = (block_sums * params.n_components + component) * params.feature_quads + column_quad;
        let share = strata_weights[block_pair % params.n_strata].x * value;
        if (block_fresh) {
            sums[at] = share;
        } else {
            sums[at] += share;
        }
    }
}

@compute @workgroup_size(TILE_LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tile = workgroup_index(group, groups);
    let rows = (4u * params.component_quads + TILE_ROWS - 1u) / TILE_ROWS;
    let columns = (4u * params.feature_quads + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let first_replicate = params.first_pair / params.n_strata;
    let replicate = first_replicate + tile / (columns * rows * chunk_groups());
    let sample_group = first_group() + tile / (columns * rows) % chunk_groups();
    let row_quad = tile / columns % rows * (TILE_ROWS / 4u);
    let column_quad = tile % columns * (TILE_COLUMNS / 4u);
    let first_pair = max(params.first_pair, replicate * params.n_strata);
    let end_pair = min(params.first_pair + params.n_pairs, (replicate + 1u) * params.n_strata);
    let group_start = sample_group * params.group_size;
    let start = max(group_start, params.first_sample);
    let end = min(group_start + params.group_size, params.first_sample + params.chunk_samples);
    for (var pair = first_pair; pair < end_pair; pair += 1u) {
        for (var sample = start; sample < end; sample += params.block_size) {
            block_pair = pair;
            block_sums = replicate * params.n_groups + sample_group;
            block_fresh = pair == replicate * params.n_strata && sample == group_start;
            block_row = (pair - params.first_pair) * params.rows_per_pair + (sample - params.first_sample);
            let n = min(params.block_size, end - sample);
            block_rows = n;
            tile_clear();
            tile_multiply(lane, row_quad, column_quad, 2u * ((n + 3u) / 4u));
            tile_emit(lane, row_quad, column_quad);
        }
    }
}
