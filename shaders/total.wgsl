// Totals over groups: the root of a fixed binary tree. Its leaves are the groups, or the nodes that several devices
// have summed, each at the place of its first group; missing leaves count as zero. One invocation: one quad of one
// total.
@group(0) @binding(1) var<storage, read> sums: array<vec4f>;           // of groups: (rows, groups, quads); of nodes: (nodes, node_quads)
@group(0) @binding(2) var<storage, read_write> totals: array<vec4f>;   // (rows, quads), from totals_at on

fn four_leaves(index: u32, quads: u32, g: u32) -> vec4f {
    return (leaf(index, quads, g) + leaf(index, quads, g + 1u)) + (leaf(index, quads, g + 2u) + leaf(index, quads, g + 3u));
}

fn sixteen_leaves(index: u32, quads: u32, g: u32) -> vec4f {
    if (g >= params.end_leaf) {
        return vec4f();
    }
    let left = four_leaves(index, quads, g) + four_leaves(index, quads, g + 4u);
    return left + (four_leaves(index, quads, g + 8u) + four_leaves(index, quads, g + 12u));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) lane: u32) {
    let index = workgroup_index(group, groups) * 64u + lane;
    let quads = params.quads;
    if (index >= params.n_rows * quads) {
        return;
    }
    totals[params.totals_at + index] = sixteen_leaves(index, quads, 0u) + sixteen_leaves(index, quads, 16u);
}
