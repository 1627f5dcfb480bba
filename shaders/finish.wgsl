// Gradient rows from the sums of scatter.wgsl: the sums minus Σ_j v_j (Σ_rows Q_i) ε_i over the strata j, because x −
// μ_i = z + e − ε_i, then normalised, and added to the output of own_rows.wgsl if the form has such a part. One
// invocation: one quad of one row. Twin of src/reference/forward_fisher.rs.
@group(0) @binding(1) var<storage, read> sums: array<vec4f>;                  // (R, out groups, k, quads)
@group(0) @binding(2) var<storage, read> coefficient_sums: array<f32>;        // (pairs, out groups, 4·component quads)
@group(0) @binding(3) var<storage, read> means: array<vec4f>;                 // (R, k, quads)
@group(0) @binding(4) var<storage, read> origins: array<u32>;                 // (pairs)
@group(0) @binding(5) var<storage, read> strata_weights: array<vec2f>;        // (C)
@group(0) @binding(6) var<storage, read_write> gradient: array<vec4f>;        // (R, out groups, k, quads)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let quads = params.feature_quads;
    let quad = index % quads;
    let i = index / quads % params.n_components;
    let out_group = index / quads / params.n_components % params.out_groups;
    let replicate = index / quads / params.n_components / params.out_groups;
    if (replicate >= params.n_replicates) {
        return;
    }
    let mean = means[(replicate * params.n_components + i) * quads + quad];
    var row = sums[index];
    for (var j = 0u; j < params.n_strata; j += 1u) {
        let pair = replicate * params.n_strata + j;
        let q = coefficient_sums[(pair * params.out_groups + out_group) * 4u * params.component_quads + i];
        row -= strata_weights[j].x * q * (mean - means[origins[pair] * quads + quad]);
    }
    row *= group_normaliser(out_group);
    if (params.own_rows == 1u) {
        row += gradient[index];
    }
    gradient[index] = row;
}
