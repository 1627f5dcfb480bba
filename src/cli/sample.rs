//! `mixscore sample`: points drawn from a mixture, each from its own address, so that fewer points are the first of more.

use std::path::PathBuf;

use rayon::prelude::*;
use serde_json::json;

use super::Common;
use super::exit::Result;
use super::output::Target;
use crate::device::{self, Device};
use crate::error::Error;
use crate::memory::room_for;
use crate::mixture::GaussianMixture;
use crate::mixture::files::{Dtype, Values, write_npy};
use crate::random::normal::{normal_f32, normal_f64};
use crate::random::streams::{Purpose, key, words};

/// The strata of [`Purpose::Sample`]: whose words make the normals, and whose first two choose the component.
const NORMALS: u32 = 0;
const COMPONENT: u32 = 1;

#[derive(clap::Args)]
pub struct Arguments {
    /// A mixture file (.npz, .safetensors or .json).
    #[arg(long, value_name = "M")]
    mixture: PathBuf,
    /// How many points.
    #[arg(long, value_name = "N")]
    count: usize,
    /// Where the points (n,d) go; - is standard output.
    #[arg(long, value_name = "X.npy")]
    output: PathBuf,
    /// Their type; left out, float64 on the reference device and wherever float32 would merge distinct points, else float32.
    #[arg(long, value_enum, value_name = "f32|f64")]
    dtype: Option<Dtype>,
}

/// The host draws: the numbers are the same whatever device was asked for, up to its precision. A GPU asked for must be there all the same.
pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let output = Target::of(common, &arguments.output, "npy", &[("--mixture", &arguments.mixture)])?;
    let mixture = common.read_mixture(&arguments.mixture)?;
    let (n, d, seed) = (arguments.count, mixture.n_features(), common.seed.unwrap_or(0));
    let dtype = arguments.dtype.unwrap_or_else(|| if common.device == Device::Reference { Dtype::F64 } else { dtype_of(&mixture) });
    if u32::try_from(n).is_err() {
        return Err(Error::bad_input(
            format!("{n} points are more than the {} that random numbers have addresses for", u32::MAX),
            "Draw them in parts under several seeds",
        )
        .into());
    }
    if matches!(common.device, Device::Gpu(_) | Device::Gpus | Device::Software) {
        device::open(common.device)?;
    }
    if dtype == Dtype::F64 {
        let values = draw(&mixture, n, seed, |mean, scale, word| mean + scale * normal_f64(word))?;
        refuse_overflow(values.par_iter().position_any(|v| !v.is_finite()), d)?;
        output.write(|path| write_npy(path, &[n, d], Values::F64(&values)))?;
    } else {
        let values = draw(&mixture, n, seed, |mean, scale, word| (mean + scale * f64::from(normal_f32(word))) as f32)?;
        refuse_overflow(values.par_iter().position_any(|v| !v.is_finite()), d)?;
        output.write(|path| write_npy(path, &[n, d], Values::F32(&values)))?;
    }
    if common.json {
        return common.print_json(&json!({
            "schema": "mixscore.sample/1",
            "count": n,
            "features": d,
            "dtype": dtype.name(),
            "seed": seed,
            "output": arguments.output.to_string_lossy(),
        }));
    }
    output.print(common, &format!("{n} points of {d} dimensions drawn; written to {}", arguments.output.display()))
}

/// Of all points that may be drawn, so that fewer points are the first of more.
fn dtype_of(mixture: &GaussianMixture) -> Dtype {
    let (sigma, furthest) = (mixture.variance().sqrt(), mixture.means().iter().fold(0.0, |a: f64, m| a.max(m.abs())));
    Dtype::that_tells_apart(furthest + 6.0 * sigma, sigma)
}

/// n points (n, d): coordinate c of point i comes from word c mod 4 of block c div 4 of sample i.
fn draw<T: Copy + Default + Send>(
    mixture: &GaussianMixture,
    n: usize,
    seed: u64,
    value: impl Fn(f64, f64, u32) -> T + Sync,
) -> Result<Vec<T>> {
    let d = mixture.n_features();
    let mut points = reserve::<T>(n, d)?;
    let (key, scale) = (key(seed, Purpose::Sample, 0), mixture.variance().sqrt());
    let cumulative = cumulative(mixture.weights());
    points.par_chunks_exact_mut(d).enumerate().for_each(|(i, point)| {
        let i = i as u32;
        let mean = mixture.mean(component(&cumulative, words(key, 0, COMPONENT, i, 0)));
        for (block, (point, mean)) in point.chunks_mut(4).zip(mean.chunks(4)).enumerate() {
            let words = words(key, 0, NORMALS, i, block as u32);
            for ((point, mean), word) in point.iter_mut().zip(mean).zip(words) {
                *point = value(*mean, scale, word);
            }
        }
    });
    Ok(points)
}

fn reserve<T: Copy + Default>(n: usize, d: usize) -> Result<Vec<T>> {
    let mut points = room_for(n.saturating_mul(d), &format!("{n} points of {d} dimensions"))?;
    points.resize(n * d, T::default());
    Ok(points)
}

/// w₁, w₁ + w₂, … .
fn cumulative(weights: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    weights
        .iter()
        .map(|w| {
            sum += w;
            sum
        })
        .collect()
}

/// The component whose interval of the cumulative weights holds the uniform number of two words (52 bits and a half, never 0 or 1).
fn component(cumulative: &[f64], words: [u32; 4]) -> usize {
    let bits = (u64::from(words[0]) << 32 | u64::from(words[1])) >> 12;
    let uniform = (bits as f64 + 0.5) / 2f64.powi(52);
    cumulative.partition_point(|c| *c <= uniform).min(cumulative.len() - 1)
}

fn refuse_overflow(at: Option<usize>, d: usize) -> Result<()> {
    match at {
        None => Ok(()),
        Some(at) => Err(Error::NonFiniteResult {
            what: format!("point {}, coordinate {} does not fit in the precision asked for", at / d, at % d),
            remedy: "Nothing was written. Use --dtype f64, which is double precision, or smaller units".into(),
        }
        .into()),
    }
}
