fn pair_of_row(row: u32) -> u32 {
    return params.first_pair + row / params.rows_per_pair;
}

fn n_rows() -> u32 {
    return params.n_pairs * params.rows_per_pair;
}
