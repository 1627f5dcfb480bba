// FᵀF of every job: `rows_per_job` consecutive rows of one cell. One workgroup: one tile of one job, if it reaches
// below the diagonal. Targets U follow the features in F, so FᵀU is part of it. Sums run over a job's rows in order;
// the host adds the jobs. Twin of `grams` in src/reference/polynomials.rs.
@group(0) @binding(1) var<storage, read> features: array<vec4f>;     // F (rows, columns / 4)
@group(0) @binding(2) var<storage, read> counts: array<u32>;         // (jobs): rows that are there
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;    // (jobs, columns, columns / 4): lower half

var<private> tile_job: u32;

// Columns of F for four samples; a quad has one row (or column) of FᵀF per number.
fn block(quad: u32, depth_quad: u32) -> mat4x4f {
    let quads = params.column_quads;
    if (quad >= quads) {
        return mat4x4f();
    }
    let at = (tile_job * params.rows_per_job + 4u * depth_quad) * quads + quad;
    return mat4x4f(features[at], features[at + quads], features[at + 2u * quads], features[at + 3u * quads]);
}

fn left_block(row_quad: u32, depth_quad: u32) -> mat4x4f {
    return block(row_quad, depth_quad);
}

fn right_block(column_quad: u32, depth_quad: u32) -> mat4x4f {
    return block(column_quad, depth_quad);
}

fn emit(row: u32, column_quad: u32, values: mat4x4f) {
    let quads = params.column_quads;
    if (row < 4u * quads && column_quad < quads) {
        let at = (tile_job * 4u * quads + row) * quads + column_quad;
        out[at] = values[0];
        out[at + quads] = values[1];
        out[at + 2u * quads] = values[2];
        out[at + 3u * quads] = values[3];
    }
}

@compute @workgroup_size(TILE_LANES)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let size = 4u * params.column_quads;
    let rows = (size + TILE_ROWS - 1u) / TILE_ROWS;
    let columns = (size + TILE_COLUMNS - 1u) / TILE_COLUMNS;
    let index = workgroup_index(group, groups);
    let job = index / (rows * columns);
    let tile = index % (rows * columns);
    let row = tile / columns * TILE_ROWS;
    let column = tile % columns * TILE_COLUMNS;
    if (job >= params.n_jobs || column >= row + TILE_ROWS) {
        return;
    }
    tile_job = job;
    tile_clear();
    // The job, not tile_job, because the compiler must see that the depth is the same for the whole workgroup.
    tile_multiply(lane, row / 4u, column / 4u, (counts[job] + 3u) / 4u);
    tile_emit(lane, row / 4u, column / 4u);
}
