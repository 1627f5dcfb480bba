// The sum of group g, or zero if it is not among those to add.
fn leaf(index: u32, quads: u32, g: u32) -> vec4f {
    if (g < params.first_leaf || g >= params.end_leaf) {
        return vec4f();
    }
    return sums[(index / quads * params.n_groups + g) * quads + index % quads];
}
