// Sums of a + f z over blocks of samples, the score-function form of a row under its own stratum: a = V_q − V_p, and f from
// statistics.wgsl and centre.wgsl. One invocation: one quad of coordinates of one block. Twin of src/reference/reverse_fisher.rs.
@group(0) @binding(1) var<storage, read> z: array<Draw4>;                  // (rows, quads)
@group(0) @binding(2) var<storage, read> student_v: array<vec4f>;          // (rows, quads)
@group(0) @binding(3) var<storage, read> teacher_v: array<vec4f>;          // (rows, quads)
@group(0) @binding(4) var<storage, read> statistics: array<vec4f>;         // (rows, 2)
@group(0) @binding(5) var<storage, read_write> partials: array<vec4f>;     // (chunk's pairs, blocks, quads)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let quads = params.feature_quads;
    let quad = index % quads;
    let block = index / quads % blocks_per_pair();
    let pair = index / quads / blocks_per_pair();
    if (pair >= params.n_pairs) {
        return;
    }
    let first = block * params.block_size;
    let end = min(first + params.block_size, params.chunk_samples);
    var sum = vec4f();
    for (var sample = first; sample < end; sample += 1u) {
        let row = pair * params.rows_per_pair + sample;
        let at = row * quads + quad;
        let own = statistics[2u * row + 1u];
        sum += own.y * (teacher_v[at] - student_v[at] + own.z * vec4f(z[at]));
    }
    partials[index] = sum;
}
