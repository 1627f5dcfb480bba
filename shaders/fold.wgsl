// Adds the block sums of a chunk to the sums of their groups, in order of the samples, so that no sum depends on how rows are cut into
// chunks.
// One invocation: one quad of one group. Twin of src/reference/session.rs, where groups are summed.
@group(0) @binding(1) var<storage, read> partials: array<vec4f>;      // (chunk's pairs, blocks, quads)
@group(0) @binding(2) var<storage, read_write> sums: array<vec4f>;    // (pairs, groups, quads)

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let quads = params.sum_quads;
    let quad = index % quads;
    let sample_group = first_group() + index / quads % chunk_groups();
    let pair = index / quads / chunk_groups();
    if (pair >= params.n_pairs) {
        return;
    }
    let group_start = sample_group * params.group_size;
    let start = max(group_start, params.first_sample);
    let end = min(group_start + params.group_size, params.first_sample + params.chunk_samples);
    let at = ((params.first_pair + pair) * params.n_groups + sample_group) * quads + quad;
    var sum = vec4f();
    if (start != group_start) {
        sum = sums[at];
    }
    for (var sample = start; sample < end; sample += params.block_size) {
        let block = (sample - params.first_sample) / params.block_size;
        sum += partials[(pair * blocks_per_pair() + block) * quads + quad];
    }
    sums[at] = sum;
}
