// The part of gradient row i that comes from samples of its own stratum i: w_i ( Σ_l A_l ε_l − Σ_j B_j ε_j ), plus w_i (o_p − o_q) in the Stein form, whose
// coefficients sum to one. One invocation: one quad of one row. Twin of src/reference/reverse_fisher.rs.
@group(0) @binding(1) var<storage, read> student_sums: array<f32>;        // (pairs, out groups, 4·component quads)
@group(0) @binding(2) var<storage, read> teacher_sums: array<f32>;        // (pairs, out groups, 4·teacher quads)
@group(0) @binding(3) var<storage, read> student_means: array<vec4f>;     // (R, k, quads)
@group(0) @binding(4) var<storage, read> teacher_means: array<vec4f>;     // (R, K, quads)
@group(0) @binding(5) var<storage, read> student_origins: array<u32>;     // (pairs)
@group(0) @binding(6) var<storage, read> teacher_origins: array<u32>;     // (pairs)
@group(0) @binding(7) var<storage, read> weights: array<vec2f>;           // (k): w, ln w
@group(0) @binding(8) var<storage, read_write> gradient: array<vec4f>;    // (R, out groups, k, quads)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let quads = params.feature_quads;
    let quad = index % quads;
    let i = index / quads % params.n_components;
    let out_group = index / quads / params.n_components % params.out_groups;
    let replicate = index / quads / params.n_components / params.out_groups;
    let pair = replicate * params.n_components + i;
    // Other pairs belong to other devices.
    if (replicate >= params.n_replicates || pair < params.first_pair || pair >= params.first_pair + params.n_pairs) {
        return;
    }
    let sums = pair * params.out_groups + out_group;
    let student_origin = student_means[student_origins[pair] * quads + quad];
    let teacher_origin = teacher_means[teacher_origins[pair] * quads + quad];
    var student = vec4f();
    for (var l = 0u; l < params.n_components; l += 1u) {
        let epsilon = student_means[(replicate * params.n_components + l) * quads + quad] - student_origin;
        student += student_sums[sums * 4u * params.component_quads + l] * epsilon;
    }
    var teacher = vec4f();
    for (var j = 0u; j < params.teacher_components; j += 1u) {
        let epsilon = teacher_means[(replicate * params.teacher_components + j) * quads + quad] - teacher_origin;
        teacher += teacher_sums[sums * 4u * params.teacher_quads + j] * epsilon;
    }
    let normaliser = group_normaliser(out_group);
    var row = normaliser * (student - teacher);
    if (params.stein == 1u) {
        row += student_origin - teacher_origin;
    }
    gradient[index] = weights[i].x * row;
}
