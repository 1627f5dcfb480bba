//! Loops over the 64 samples of a tile in double precision: differences, whitened squares and second moments, blocked for registers.

use super::tiles::TILE;

/// Rows of a triangular product that stay in registers, and samples of each.
pub(super) const ROWS: usize = 4;
const WIDE: usize = 8;
/// Samples of one accumulator of the second moments, which four rows by two columns of them keep in registers.
const NARROW: usize = 4;
const COLUMNS: usize = 2;

/// e = x − mean, shape (d, 64).
#[inline(always)]
pub(super) fn differences(x: &[f32], mean: &[f64], e: &mut [f64]) {
    for ((x, mean), e) in x.chunks_exact(TILE).zip(mean).zip(e.chunks_exact_mut(TILE)) {
        for s in 0..TILE {
            e[s] = f64::from(x[s]) - mean;
        }
    }
}

#[inline(always)]
pub(super) fn squared_distances(x: &[f32], mean: &[f64], square: &mut [f64; TILE]) {
    for part in (0..TILE).step_by(2 * WIDE) {
        let mut sum = [0.0; 2 * WIDE];
        for (x, mean) in x.chunks_exact(TILE).zip(mean) {
            let x: &[f32; 2 * WIDE] = x[part..][..2 * WIDE].try_into().expect("sixteen numbers");
            for s in 0..2 * WIDE {
                let e = f64::from(x[s]) - mean;
                sum[s] = e.mul_add(e, sum[s]);
            }
        }
        square[part..][..2 * WIDE].copy_from_slice(&sum);
    }
}

#[inline(always)]
pub(super) fn scaled_distances(x: &[f32], mean: &[f64], scale: &[f64], square: &mut [f64; TILE]) {
    for part in (0..TILE).step_by(2 * WIDE) {
        let mut sum = [0.0; 2 * WIDE];
        for ((x, mean), scale) in x.chunks_exact(TILE).zip(mean).zip(scale) {
            let x: &[f32; 2 * WIDE] = x[part..][..2 * WIDE].try_into().expect("sixteen numbers");
            for s in 0..2 * WIDE {
                let w = (f64::from(x[s]) - mean) * scale;
                sum[s] = w.mul_add(w, sum[s]);
            }
        }
        square[part..][..2 * WIDE].copy_from_slice(&sum);
    }
}

/// |w − mean|² of whitened samples (d′, 64).
#[inline(always)]
pub(super) fn distances(w: &[f64], mean: &[f64], square: &mut [f64; TILE]) {
    for part in (0..TILE).step_by(2 * WIDE) {
        let mut sum = [0.0; 2 * WIDE];
        for (w, mean) in w.chunks_exact(TILE).zip(mean) {
            let w: &[f64; 2 * WIDE] = w[part..][..2 * WIDE].try_into().expect("sixteen numbers");
            for s in 0..2 * WIDE {
                let e = w[s] - mean;
                sum[s] = e.mul_add(e, sum[s]);
            }
        }
        square[part..][..2 * WIDE].copy_from_slice(&sum);
    }
}

/// Four rows of R e for eight samples from `at` on.
#[inline(always)]
fn rows(panel: &[f64], e: &[f64], at: usize) -> [[f64; WIDE]; ROWS] {
    let mut w = [[0.0; WIDE]; ROWS];
    for (r, e) in panel.as_chunks::<ROWS>().0.iter().zip(e.chunks_exact(TILE)) {
        let e: &[f64; WIDE] = e[at..][..WIDE].try_into().expect("eight numbers");
        for i in 0..ROWS {
            for s in 0..WIDE {
                w[i][s] = r[i].mul_add(e[s], w[i][s]);
            }
        }
    }
    w
}

/// Panel p of all panels of a factor, which grow by four columns each.
#[inline(always)]
fn panel(panels: &[f64], p: usize) -> &[f64] {
    &panels[ROWS * ROWS * (p * (p + 1) / 2)..][..ROWS * ROWS * (p + 1)]
}

/// |R e|² of differences (d′, 64).
#[inline(always)]
pub(super) fn whitened_square(panels: &[f64], e: &[f64], square: &mut [f64; TILE]) {
    for at in (0..TILE).step_by(WIDE) {
        let mut sum = [0.0; WIDE];
        for p in 0..e.len() / (ROWS * TILE) {
            let w = rows(panel(panels, p), e, at);
            for i in 0..ROWS {
                for s in 0..WIDE {
                    sum[s] = w[i][s].mul_add(w[i][s], sum[s]);
                }
            }
        }
        square[at..][..WIDE].copy_from_slice(&sum);
    }
}

/// w = R e, shapes (d′, 64).
#[inline(always)]
pub(super) fn whiten(panels: &[f64], e: &[f64], w: &mut [f64]) {
    for at in (0..TILE).step_by(WIDE) {
        for p in 0..e.len() / (ROWS * TILE) {
            let rows = rows(panel(panels, p), e, at);
            for i in 0..ROWS {
                w[(p * ROWS + i) * TILE + at..][..WIDE].copy_from_slice(&rows[i]);
            }
        }
    }
}

/// Adds the lower triangle of a bᵀ, where a and b have shape (d′, 64), to `out` (d, d).
#[inline(always)]
pub(super) fn add_lower(a: &[f64], b: &[f64], d: usize, out: &mut [f64]) {
    for row in (0..d).step_by(ROWS) {
        for column in (0..(row + ROWS).min(d)).step_by(COLUMNS) {
            let (a, b) = (&a[row * TILE..][..ROWS * TILE], &b[column * TILE..][..COLUMNS * TILE]);
            let block = block(a.try_into().expect("four rows"), b.try_into().expect("two rows"));
            for (i, block) in block.iter().enumerate() {
                for (j, lanes) in block.iter().enumerate() {
                    if row + i < d && column + j <= row + i {
                        out[(row + i) * d + column + j] += (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
                    }
                }
            }
        }
    }
}

/// Four rows of a by two of b, summed over the tile in lanes.
#[inline(always)]
fn block(a: &[f64; ROWS * TILE], b: &[f64; COLUMNS * TILE]) -> [[[f64; NARROW]; COLUMNS]; ROWS] {
    let mut sum = [[[0.0; NARROW]; COLUMNS]; ROWS];
    for at in (0..TILE).step_by(NARROW) {
        for i in 0..ROWS {
            for j in 0..COLUMNS {
                for s in 0..NARROW {
                    sum[i][j][s] = a[i * TILE + at + s].mul_add(b[j * TILE + at + s], sum[i][j][s]);
                }
            }
        }
    }
    sum
}

#[inline(always)]
fn tree(sum: [f64; WIDE]) -> f64 {
    ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]))
}

/// Σ ab.
#[inline(always)]
pub(super) fn sum(a: &[f64; TILE], b: &[f64; TILE]) -> f64 {
    let mut sum = [0.0; WIDE];
    for at in (0..TILE).step_by(WIDE) {
        for s in 0..WIDE {
            sum[s] = a[at + s].mul_add(b[at + s], sum[s]);
        }
    }
    tree(sum)
}

/// Σ r e, which `re` keeps by sample.
#[inline(always)]
pub(super) fn products(r: &[f64; TILE], e: &[f64; TILE], re: &mut [f64; TILE]) -> f64 {
    let mut sum = [0.0; WIDE];
    for at in (0..TILE).step_by(WIDE) {
        for s in 0..WIDE {
            re[at + s] = r[at + s] * e[at + s];
            sum[s] += re[at + s];
        }
    }
    tree(sum)
}

/// Σ r(x − mean).
#[inline(always)]
pub(super) fn first_moment(x: &[f32; TILE], mean: f64, r: &[f64; TILE]) -> f64 {
    let mut sum = [0.0; WIDE];
    for at in (0..TILE).step_by(WIDE) {
        for s in 0..WIDE {
            sum[s] = (f64::from(x[at + s]) - mean).mul_add(r[at + s], sum[s]);
        }
    }
    tree(sum)
}

/// Σ r(x − mean) and Σ r(x − mean)².
#[inline(always)]
pub(super) fn two_moments(x: &[f32; TILE], mean: f64, r: &[f64; TILE]) -> (f64, f64) {
    let (mut first, mut second) = ([0.0; WIDE], [0.0; WIDE]);
    for at in (0..TILE).step_by(WIDE) {
        for s in 0..WIDE {
            let e = f64::from(x[at + s]) - mean;
            let re = r[at + s] * e;
            first[s] += re;
            second[s] = re.mul_add(e, second[s]);
        }
    }
    (tree(first), tree(second))
}
