// The walls of a stratum, between the component that dominates at its centre and others of either mixture, and what becomes of them.
// Twin of src/objective/estimator.rs, where the formulas are. Each pair of a range has its own part of three buffers:
// walls: 1 + k + K entries. The first is (their number, 0); the others are walls.wgsl's own.
// columns: F, (feature quads, most walls), a quad of coordinates of one column after the other.
// factor: U with UᵀU = 1 + FᵀF, or 1 + FFᵀ where there are more walls than coordinates, `factor_rows` rows of as many numbers, of which those
// below the diagonal do not count and each on it is the inverse of U's. Rows are whole fours: those past the last are the identity's.
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

// Rows of a factor that count where there are n walls.
fn factor_size(n: u32) -> u32 {
    return 4u * select(rank_quads(), (n + 3u) / 4u, n <= params.rank);
}
