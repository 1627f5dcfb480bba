fn blocks_per_pair() -> u32 {
    return (params.chunk_samples + params.block_size - 1u) / params.block_size;
}
