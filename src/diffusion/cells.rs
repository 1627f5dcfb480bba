//! The cells of one noise level: those of the warm starts, and more between neighbours.
//!
//! Between two modes the posterior mean turns from one centre to the other in a layer, which lies closer to the mode with less weight. With
//! cells at the warm starts alone that layer belongs to the cell of the lighter mode, whose polynomial is fitted at that mode's points, and
//! the few points that come from elsewhere get stuck on the way. Measured for a mode of one per cent at ten standard deviations: its mean
//! was off by 0.3σ and its width by half; with cells between, by 0.1σ and 4 %.

use super::warm_start::LEAST_ROWS;
use crate::cpu::polynomials::nearest_of_all;
use crate::mixture::squared_distance;

/// The most cells between two warm starts, and the least distance between cells, in σ of the level.
const MOST_BETWEEN: usize = 3;
const SPACING: f64 = 1.5;
/// Warm starts farther apart than this, in σ of the level, have no points between them.
const FAR: f64 = 12.0;
/// Pairs of neighbours, the nearest, between which places are tried.
const MOST_PAIRS: usize = 256;
/// Rows that are counted to predict how many a cell will have.
const COUNTED: usize = 1 << 15;
/// The most work for the normal equations of one level, in multiplications of one ridge: with many features fewer cells are added.
const MOST_WORK: f64 = 2e8;

/// `centres` (C, rank), followed by places between neighbours that hold enough rows of `y` (m, rank) for polynomials of this many
/// `features`; those with the most rows if there are too many.
pub(crate) fn with_between(centres: &[f32], rank: usize, sigma: f64, y: &[f32], features: usize) -> Vec<f32> {
    let places = between(centres, rank, sigma);
    let all = [centres, &places].concat();
    let first = centres.len() / rank;
    let counted = &y[..y.len().min(COUNTED * rank)];
    let cells = nearest_of_all(counted, &all, rank);
    let mut rows = vec![0usize; places.len() / rank];
    cells.iter().filter_map(|cell| (*cell as usize).checked_sub(first)).for_each(|at| rows[at] += 1);
    let least = (LEAST_ROWS * features * counted.len()).div_ceil(y.len().max(1));
    let affordable = (MOST_WORK / ((features as f64).powi(3) / 3.0)) as usize;
    let mut kept: Vec<usize> = (0..rows.len()).filter(|at| rows[*at] >= least).collect();
    kept.sort_by_key(|at| (usize::MAX - rows[*at], *at));
    kept.truncate(affordable);
    kept.sort_unstable();
    let mut out = centres.to_vec();
    kept.iter().for_each(|at| out.extend_from_slice(&places[at * rank..(at + 1) * rank]));
    out
}

/// Evenly spaced places on the line from one centre to another, for all pairs with no third centre in the ball around their midpoint
/// through both (Gabriel and Sokal 1969).
fn between(centres: &[f32], rank: usize, sigma: f64) -> Vec<f32> {
    let rows: Vec<Vec<f64>> = centres.chunks_exact(rank).map(|c| c.iter().map(|v| f64::from(*v)).collect()).collect();
    let mut pairs: Vec<(f64, usize, usize, usize)> = Vec::new();
    for (at, a) in rows.iter().enumerate() {
        for (other, b) in rows.iter().enumerate().skip(at + 1) {
            let square = squared_distance(a, b);
            let distance = square.sqrt() / sigma;
            let n = ((distance / SPACING) as usize).saturating_sub(1).min(MOST_BETWEEN);
            if n == 0 || distance > FAR {
                continue;
            }
            let middle: Vec<f64> = a.iter().zip(b).map(|(a, b)| 0.5 * (a + b)).collect();
            let is_inside = |(third, c): (usize, &Vec<f64>)| third != at && third != other && squared_distance(c, &middle) < 0.25 * square;
            if rows.iter().enumerate().any(is_inside) {
                continue;
            }
            pairs.push((distance, at, other, n));
        }
    }
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    pairs.truncate(MOST_PAIRS);
    let mut places = Vec::new();
    for (_, at, other, n) in pairs {
        for place in 1..=n {
            let share = place as f64 / (n + 1) as f64;
            places.extend(rows[at].iter().zip(&rows[other]).map(|(a, b)| (a + share * (b - a)) as f32));
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_get_cells_between_them_and_others_do_not() {
        // On a line at 0, 4, 10 and 40: 0 and 10 have 4 between them; 10 and 40 are too far apart.
        assert_eq!(between(&[0.0, 4.0, 10.0, 40.0], 1, 1.0), [2.0, 5.5, 7.0, 8.5]);
        assert_eq!(between(&[0.0, 2.9], 1, 1.0), [0.0f32; 0]);
        assert_eq!(between(&[0.0, 0.0, 6.0, 8.0], 2, 2.0), [2.0, 8.0 / 3.0, 4.0, 16.0 / 3.0]);
    }

    #[test]
    fn a_cell_needs_rows() {
        let y: Vec<f32> = (0..100)
            .map(|i| {
                if i < 60 {
                    0.0
                } else if i < 90 {
                    10.0
                } else {
                    5.0
                }
            })
            .collect();
        assert_eq!(with_between(&[0.0, 10.0], 1, 1.0, &y, 2), [0.0, 10.0, 5.0], "ten rows for two features; the others have none");
        assert_eq!(with_between(&[0.0, 10.0], 1, 1.0, &y, 3), [0.0, 10.0]);
        assert_eq!(with_between(&[1.0], 1, 1.0, &y, 3), [1.0]);
    }
}
