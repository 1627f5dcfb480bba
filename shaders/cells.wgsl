// The cell of every row: the index of the nearest centre. One invocation: one row. Twin of `nearest` in src/reference/polynomials.rs.
@group(0) @binding(1) var<storage, read> y: array<vec4f>;            // (rows, rank quads)
@group(0) @binding(2) var<storage, read> centres: array<vec4f>;      // (C, rank quads)
@group(0) @binding(3) var<storage, read_write> cells: array<u32>;    // (rows)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let row = workgroup_index(group, groups) * 64u + lane;
    if (row >= params.n_rows) {
        return;
    }
    let quads = params.rank_quads;
    var best = 0u;
    var least = 3.4e38;
    for (var cell = 0u; cell < params.n_cells; cell += 1u) {
        var square = 0.0;
        for (var q = 0u; q < quads; q += 1u) {
            let e = y[row * quads + q] - centres[cell * quads + q];
            square += dot(e, e);
        }
        if (square < least) {
            least = square;
            best = cell;
        }
    }
    cells[row] = best;
}
