// The sum of the node that begins at group g, or zero if none does.
fn leaf(index: u32, quads: u32, g: u32) -> vec4f {
    if (((params.node_starts >> g) & 1u) == 0u) {
        return vec4f();
    }
    let node = countOneBits(params.node_starts & ((1u << g) - 1u));
    return sums[node * params.node_quads + params.node_at + index];
}
