// The walls of a stratum: between the component that dominates at its centre and another, of either mixture. Twin of
// src/objective/estimator.rs, where the formulas are.
//
// A pair's walls are a row of 2 + k + K entries: (their number, 0); the rows of the student's and of the teacher's means that dominate;
// then each wall, in order: the other component's index among k + K, and the bits of the factor by which the column of F is longer than δ.
fn walls_of(local: u32) -> u32 {
    return local * (2u + params.n_components + params.teacher_components);
}

// δ = m − b on one quad of coordinates, m the component `n` of k + K and b what dominates on its side.
fn delta(replicate: u32, n: u32, dominant: vec2u, quad: u32) -> vec4f {
    let quads = params.feature_quads;
    if (n < params.n_components) {
        return student_means[(replicate * params.n_components + n) * quads + quad] - student_means[dominant.x * quads + quad];
    }
    let row = replicate * params.teacher_components + n - params.n_components;
    return teacher_means[row * quads + quad] - teacher_means[dominant.y * quads + quad];
}

// Quads of coordinates that are not padding.
fn rank_quads() -> u32 {
    return (params.rank + 3u) / 4u;
}

// 1 + FᵀF (or 1 + FFᵀ, where there are more walls than coordinates) has so many rows in whole fours: those past the last are the identity's.
fn factor_size(n: u32) -> u32 {
    return 4u * select(rank_quads(), (n + 3u) / 4u, n <= params.rank);
}

// Where a pair's factor begins: `most` rows of `most` numbers and then the inverse of the row's pivot.
fn factor_of(local: u32) -> u32 {
    return local * factor_rows() * (factor_rows() + 1u);
}

fn factor_rows() -> u32 {
    let n = min(params.most_walls, params.n_components + params.teacher_components);
    return 4u * min(rank_quads(), (n + 3u) / 4u);
}
