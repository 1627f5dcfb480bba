// Sums of the rows' statistics over blocks of samples. One invocation: one block.
// Twin of src/reference/session.rs, where groups are summed.
@group(0) @binding(1) var<storage, read> statistics: array<vec4f>;      // (rows, 2)
@group(0) @binding(2) var<storage, read_write> partials: array<vec4f>;  // (chunk's pairs, blocks)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let block = index % blocks_per_pair();
    let pair = index / blocks_per_pair();
    if (pair >= params.n_pairs) {
        return;
    }
    let first = block * params.block_size;
    let end = min(first + params.block_size, params.chunk_samples);
    var sum = vec4f();
    for (var sample = first; sample < end; sample += 1u) {
        sum += statistics[2u * (pair * params.rows_per_pair + sample)];
    }
    partials[index] = sum;
}
