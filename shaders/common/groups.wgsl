// The groups that have samples in a chunk.
fn first_group() -> u32 {
    return params.first_sample / params.group_size;
}

fn chunk_groups() -> u32 {
    return (params.first_sample + params.chunk_samples - 1u) / params.group_size + 1u - first_group();
}
