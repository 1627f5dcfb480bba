// projections[row, l] −= Σ_m r_m projections[row, m]: ⟨ε_l, v⟩ becomes ⟨μ_l − M, v⟩. If one component has all the
// responsibility, its projection becomes exactly zero, however large it was. The mean, ⟨M, V⟩ in the Stein form, is the
// rest of f: see statistics.wgsl. LANES invocations: one row. Twin of src/reference/reverse_fisher.rs.
@group(0) @binding(1) var<storage, read> responsibilities: array<vec4f>;      // (rows, component quads)
@group(0) @binding(2) var<storage, read_write> projections: array<vec4f>;     // (rows, component quads)
@group(0) @binding(3) var<storage, read_write> statistics: array<vec4f>;      // (rows, 2): of the second, the third number is f

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups);
    if (index >= n_rows() * LANES / 64u) {
        return;
    }
    let row = (index * 64u + lane) / LANES;
    let quads = params.component_quads;
    var sums = vec4f();
    for (var q = lane % LANES; q < quads; q += LANES) {
        sums += responsibilities[row * quads + q] * projections[row * quads + q];
    }
    sums = sum_over_lanes(lane, sums);
    let mean = (sums.x + sums.y) + (sums.z + sums.w);
    for (var q = lane % LANES; q < quads; q += LANES) {
        projections[row * quads + q] -= vec4f(mean);
    }
    if (lane % LANES == 0u) {
        statistics[2u * row + 1u].z += select(-mean, mean, params.side == 0u);
    }
}
