// One over the number of samples behind an output group; the nodes of a table have weights that sum to one.
fn group_normaliser(group: u32) -> f32 {
    if (params.are_nodes == 1u) {
        return 1.0;
    }
    if (params.out_groups == 1u) {
        return 1.0 / f32(params.n_samples);
    }
    return 1.0 / f32(min(params.group_size, params.n_samples - group * params.group_size));
}
