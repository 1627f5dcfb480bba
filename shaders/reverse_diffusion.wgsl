// One step of the reverse diffusion: y += pull·(f̂ − y) + spread·ξ, f̂ = centre + σ Σ coefficient·feature.
// One invocation: one quad of coordinates of one row. Twin of `reverse` in src/reference/polynomials.rs.
@group(0) @binding(1) var<storage, read> features: array<vec4f>;     // F (rows, columns / 4)
@group(0) @binding(2) var<storage, read> coefficients: array<vec4f>; // (C, columns of F, rank quads)
@group(0) @binding(3) var<storage, read> cells: array<u32>;          // (rows)
@group(0) @binding(4) var<storage, read> centres: array<vec4f>;      // (C, rank quads)
@group(0) @binding(5) var<storage, read> level: array<vec4f>;        // σ, the clip of arguments, pull, spread
@group(0) @binding(6) var<storage, read> noise: array<vec4u>;        // key, step, the number of the first row
@group(0) @binding(7) var<storage, read_write> y: array<vec4f>;      // (rows, rank quads)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let row = index / params.rank_quads;
    let quad = index % params.rank_quads;
    if (row >= params.n_rows) {
        return;
    }
    let cell = cells[row];
    var sum = vec4f();
    for (var q = 0u; q < params.column_quads; q += 1u) {
        let f = features[row * params.column_quads + q];
        let at = (cell * 4u * params.column_quads + 4u * q) * params.rank_quads + quad;
        sum = fma(vec4f(f.x), coefficients[at], sum);
        sum = fma(vec4f(f.y), coefficients[at + params.rank_quads], sum);
        sum = fma(vec4f(f.z), coefficients[at + 2u * params.rank_quads], sum);
        sum = fma(vec4f(f.w), coefficients[at + 3u * params.rank_quads], sum);
    }
    let mean = centres[cell * params.rank_quads + quad] + level[0].x * sum;
    let words = philox(vec4u(quad, noise[0].w + row, 0u, noise[0].z), noise[0].xy);
    let xi = normals_of(words);
    let moved = y[index] + level[0].z * (mean - y[index]) + level[0].w * xi;
    let lanes = vec4u(0u, 1u, 2u, 3u) + vec4u(4u * quad);
    y[index] = select(vec4f(), moved, lanes < vec4u(params.rank));
}
