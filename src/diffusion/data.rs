//! The points as the learners see them: centred, in units of their own, split in two, and without a stray one at the other end of space.

use super::tiles::Tiles;
use crate::error::{Error, Result};
use crate::mixture::GaussianMixture;
use crate::random::philox::Philox;
use crate::random::rows;
use crate::random::streams::{Purpose, stream};
use rand::RngExt;

/// Points that a median or a scale looks at.
const MOST_LOOKED_AT: usize = 10_001;
/// A point this many times farther from the median than the median distance is stray …
const STRAY: f64 = 100.0;
/// … if there are so few of its kind, as a share of all points (always at least one).
const MOST_STRAY: f64 = 1e-3;
/// At most this many points are held out.
const MOST_HELD_OUT: usize = 100_000;

/// The points in the learners' units: x = centre + scale·z.
#[derive(Debug, Clone)]
pub struct Data {
    pub centre: Vec<f64>,
    pub scale: f64,
    pub train: Tiles,
    pub held_out: Tiles,
    /// What people should know about these points.
    pub notes: Vec<String>,
}

impl Data {
    /// Points (n, d), all finite, of which a share `held_out` is kept away from learning. `deviation` is σ₀ where it is known.
    ///
    /// # Errors
    /// [`Error::BadInput`] for too few points, or points that are all the same.
    pub fn new(points: &[f64], d: usize, deviation: Option<f64>, held_out: f64, seed: u64) -> Result<Self> {
        let n = points.len() / d.max(1);
        if n < 2 {
            return Err(Error::bad_input(format!("there is {n} point"), "Give at least two; a mixture needs some hundreds"));
        }
        if let Some(at) = points.iter().position(|v| !(v.abs() <= 1e15)) {
            return Err(Error::bad_input(
                format!("point {}, coordinate {} is {}", at / d, at % d, points[at]),
                "Replace it by a finite number below 1e15, or drop that row",
            ));
        }
        let looked_at = looked_at(points, d);
        let centre = median_point(&looked_at, d);
        let typical = typical_distance(&looked_at, &centre);
        if !(typical > 0.0) && points.chunks_exact(d).all(|row| row == &points[..d]) {
            return Err(Error::bad_input(format!("all {n} points are the same"), "A mixture cannot be learned from one place"));
        }
        let mut notes = constant_columns(points, d);
        let kept = kept(points, d, &centre, typical, &mut notes);
        let (held_out, train) = split(kept, held_out, seed);
        let scale = deviation.unwrap_or((typical / (d as f64).sqrt()).max(f64::MIN_POSITIVE));
        let tiles = |rows: &[u32]| Tiles::new(rows.len(), d, |i, c| ((points[rows[i] as usize * d + c] - centre[c]) / scale) as f32);
        Ok(Self { train: tiles(&train), held_out: tiles(&held_out), centre, scale, notes })
    }

    /// The mixture in users' units.
    ///
    /// # Errors
    /// Those of [`GaussianMixture::new`].
    pub fn outside(&self, mixture: &GaussianMixture) -> Result<GaussianMixture> {
        let d = self.centre.len();
        let means = mixture.means().chunks_exact(d).flat_map(|m| m.iter().zip(&self.centre).map(|(m, c)| c + self.scale * m)).collect();
        GaussianMixture::new(mixture.weights().to_vec(), means, d, mixture.variance() * self.scale * self.scale)
    }

    /// What one nat of log-density in these units lacks to one in users' units: −d·ln(scale).
    pub fn log_unit(&self) -> f64 {
        -(self.centre.len() as f64) * self.scale.ln()
    }
}

/// The median of each coordinate: unlike the mean it does not follow a stray point.
fn median_point(looked_at: &[&[f64]], d: usize) -> Vec<f64> {
    (0..d).map(|c| median(looked_at.iter().map(|row| row[c]).collect())).collect()
}

fn typical_distance(looked_at: &[&[f64]], centre: &[f64]) -> f64 {
    median(looked_at.iter().map(|row| crate::mixture::squared_distance(row, centre).sqrt()).collect())
}

fn looked_at(points: &[f64], d: usize) -> Vec<&[f64]> {
    rows::chosen(points.len() / d, MOST_LOOKED_AT, 0).into_iter().map(|i| &points[i * d..][..d]).collect()
}

fn median(mut values: Vec<f64>) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

fn constant_columns(points: &[f64], d: usize) -> Vec<String> {
    let constant: Vec<usize> = (0..d).filter(|c| points.chunks_exact(d).all(|row| row[*c] == points[*c])).collect();
    if constant.is_empty() {
        return Vec::new();
    }
    let first: Vec<String> = constant.iter().take(5).map(usize::to_string).collect();
    let more = if constant.len() > 5 { ", …" } else { "" };
    vec![format!(
        "{} of {d} columns are constant ({}{more}): they cannot have the common variance of the others, so densities are not to be trusted; drop them",
        constant.len(),
        first.join(", ")
    )]
}

/// The rows that are not stray, in order.
fn kept(points: &[f64], d: usize, centre: &[f64], typical: f64, notes: &mut Vec<String>) -> Vec<u32> {
    let n = points.len() / d;
    let is_stray = |row: &[f64]| typical > 0.0 && crate::mixture::squared_distance(row, centre) > (STRAY * typical).powi(2);
    let stray: Vec<usize> = points.chunks_exact(d).enumerate().filter(|(_, row)| is_stray(row)).map(|(i, _)| i).collect();
    let most = ((MOST_STRAY * n as f64) as usize).max(1);
    if stray.is_empty() || stray.len() > most {
        return (0..n as u32).collect();
    }
    notes.push(format!(
        "{} of {n} points are set aside: farther than {STRAY} times the median distance ({typical:.3}) from the median point, the first is row {}",
        stray.len(),
        stray[0]
    ));
    (0..n as u32).filter(|i| stray.binary_search(&(*i as usize)).is_err()).collect()
}

/// A random share of the rows, and the others, both in random order: files are often sorted.
fn split(mut rows: Vec<u32>, share: f64, seed: u64) -> (Vec<u32>, Vec<u32>) {
    let mut rng: Philox = stream(seed, Purpose::LearnSplit, 0, 0);
    for i in (1..rows.len()).rev() {
        rows.swap(i, rng.random_range(0..=i));
    }
    let n = ((share * rows.len() as f64) as usize).min(MOST_HELD_OUT).min(rows.len() - 1);
    let train = rows.split_off(n);
    (rows, train)
}
