// F: the features of every row, followed by its target in units of its cell. One invocation: one quad of columns of one row.
// Twin of `features_of` and `in_units` in src/reference/polynomials.rs.
@group(0) @binding(1) var<storage, read> y: array<vec4f>;            // (rows, rank quads)
@group(0) @binding(2) var<storage, read> targets: array<vec4f>;      // (rows, rank quads)
@group(0) @binding(3) var<storage, read> cells: array<u32>;          // (rows): the cell, or NO_CELL for a row of zeros
@group(0) @binding(4) var<storage, read> centres: array<vec4f>;      // (C, rank quads)
@group(0) @binding(5) var<storage, read> products: array<vec4u>;     // (features − 1): the feature it extends; the factor's coordinate and degree
@group(0) @binding(6) var<storage, read> level: array<vec4f>;        // σ, the clip of arguments, pull, spread
@group(0) @binding(7) var<storage, read_write> out: array<vec4f>;    // (rows, columns / 4)

const NO_CELL = 0xffffffffu;

// He_n(z)/√n! for n ≥ 1.
fn hermite(n: u32, z: f32) -> f32 {
    var older = 1.0;
    var h = z;
    for (var i = 1u; i < n; i += 1u) {
        let next = (z * h - sqrt(f32(i)) * older) / sqrt(f32(i + 1u));
        older = h;
        h = next;
    }
    return h;
}

// One coordinate of a row, in σ from its cell's centre.
fn unit(value: vec4f, row: u32, c: u32) -> f32 {
    let centre = centres[cells[row] * params.rank_quads + c / 4u];
    return (value[c % 4u] - centre[c % 4u]) / level[0].x;
}

fn column(row: u32, index: u32) -> f32 {
    let first = row * params.rank_quads;
    if (index >= params.n_features) {
        let c = index - params.n_features;
        if (params.has_targets == 0u || c >= params.rank) {
            return 0.0;
        }
        return unit(targets[first + c / 4u], row, c);
    }
    var value = 1.0;
    // Each feature is a factor times an earlier feature, so the loop ends.
    for (var f = index; f > 0u;) {
        let product = products[f - 1u];
        let z = unit(y[first + product.y / 4u], row, product.y);
        value *= hermite(product.z, clamp(z, -level[0].y, level[0].y));
        f = product.x;
    }
    return value;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let row = index / params.column_quads;
    let quad = index % params.column_quads;
    if (row >= params.n_rows) {
        return;
    }
    var value = vec4f();
    if (cells[row] != NO_CELL) {
        value = vec4f(column(row, 4u * quad), column(row, 4u * quad + 1u), column(row, 4u * quad + 2u), column(row, 4u * quad + 3u));
    }
    out[index] = value;
}
