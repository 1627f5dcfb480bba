// Sums over groups, in order. One invocation: one quad of one total.
// SCATTERED: the rows are (replicate; component, feature quads) instead of (pair; component quads).
@group(0) @binding(1) var<storage, read> sums: array<vec4f>;           // (rows, groups, quads)
@group(0) @binding(2) var<storage, read_write> totals: array<vec4f>;   // (rows, quads)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let quads = select(params.component_quads, params.n_components * params.feature_quads, SCATTERED);
    let rows = select(params.all_pairs, params.n_replicates, SCATTERED);
    if (index >= rows * quads) {
        return;
    }
    let first = index / quads * params.n_groups * quads + index % quads;
    var sum = vec4f();
    for (var g = 0u; g < params.n_groups; g += 1u) {
        sum += sums[first + g * quads];
    }
    totals[index] = sum;
}
