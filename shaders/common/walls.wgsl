// The walls of a stratum, between the component that dominates at its centre and others of either mixture, and the matrices made of them.
// Twin of src/objective/estimator.rs, where the formulas are. Each pair of a range has its own part of three buffers:
// walls: 1 + k + K entries. The first is (number of walls, 0); the others are scratch of walls.wgsl.
// columns: F, (feature quads, most walls), column after column for each quad of coordinates.
// factor: U with UᵀU = 1 + FᵀF, or 1 + FFᵀ if there are more walls than coordinates, a square of `factor_rows`. Entries below the
// diagonal are not used, and those on it hold 1/U. Rows are padded to a multiple of four by those of the identity.
fn walls_of(local: u32) -> u32 {
    return local * (1u + params.n_components + params.teacher_components);
}

fn most_columns() -> u32 {
    return min(params.most_walls, params.n_components + params.teacher_components);
}

fn columns_of(local: u32) -> u32 {
    return local * params.feature_quads * most_columns();
}

// Quads of coordinates that are not padding.
fn rank_quads() -> u32 {
    return (params.rank + 3u) / 4u;
}

fn factor_rows() -> u32 {
    return 4u * min(rank_quads(), (most_columns() + 3u) / 4u);
}

fn factor_of(local: u32) -> u32 {
    return local * factor_rows() * factor_rows();
}

// The rows of a factor for n walls, including padding.
fn factor_size(n: u32) -> u32 {
    return 4u * select(rank_quads(), (n + 3u) / 4u, n <= params.rank);
}
