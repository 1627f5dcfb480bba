//! `mixscore sample`: points drawn from a mixture, each from its own address, so that fewer points are the first of more.

use std::path::PathBuf;

use rayon::prelude::*;
use serde_json::json;

use super::Common;
use super::exit::Result;
use super::output::{Target, refuse_equal};
use crate::device::{self, Device};
use crate::error::Error;
use crate::mixture::Mixture;
use crate::mixture::files::{Dtype, Values, write_npy};
use crate::mixture::sample::{check_count, labels, sample, sample_f32};

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
    /// Where the component of each point (n) goes.
    #[arg(long, value_name = "L.npy")]
    labels: Option<PathBuf>,
    /// Their type; left out, float64 on the reference device and wherever float32 would merge distinct points, else float32.
    #[arg(long, value_enum, value_name = "f32|f64")]
    dtype: Option<Dtype>,
}

/// The host draws, so the numbers are the same for every device, up to its precision. A GPU that was asked for must exist all the same.
pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let output = Target::of(common, &arguments.output, "npy", &[("--mixture", &arguments.mixture)])?;
    let labels_output = match &arguments.labels {
        Some(path) => {
            refuse_equal([("--output", &arguments.output), ("--labels", path)])?;
            Some(Target::named("--labels", common, path, "npy", &[("--mixture", &arguments.mixture)])?)
        }
        None => None,
    };
    let mixture = common.read_any_mixture(&arguments.mixture)?;
    let (n, d, seed) = (arguments.count, mixture.n_features(), common.seed.unwrap_or(0));
    let dtype = arguments.dtype.unwrap_or_else(|| if common.device == Device::Reference { Dtype::F64 } else { dtype_of(&mixture) });
    check_count(n)?;
    if matches!(common.device, Device::Gpu(_) | Device::Gpus | Device::Software) {
        device::open(common.device)?;
    }
    let components = if labels_output.is_some() { labels(&mixture, n, seed)? } else { Vec::new() };
    if dtype == Dtype::F64 {
        let values = sample(&mixture, n, seed)?;
        refuse_overflow(values.par_iter().position_any(|v| !v.is_finite()), d)?;
        output.write(|path| write_npy(path, &[n, d], Values::F64(&values)))?;
    } else {
        let values = sample_f32(&mixture, n, seed)?;
        refuse_overflow(values.par_iter().position_any(|v| !v.is_finite()), d)?;
        output.write(|path| write_npy(path, &[n, d], Values::F32(&values)))?;
    }
    if let Some(output) = &labels_output {
        output.write(|path| write_npy(path, &[n], Values::I64(&components)))?;
    }
    if common.json {
        return common.print_json(&json!({
            "schema": "mixscore.sample/1",
            "count": n,
            "features": d,
            "dtype": dtype.name(),
            "seed": seed,
            "covariance_type": mixture.covariance_kind().name(),
            "output": arguments.output.to_string_lossy(),
            "labels": arguments.labels.as_ref().map(|path| path.to_string_lossy()),
        }));
    }
    let told = labels_output.as_ref().filter(|labels| matches!(labels, Target::Stdout)).unwrap_or(&output);
    told.print(common, &format!("{n} points of {d} dimensions drawn; written to {}", arguments.output.display()))
}

/// Of all points that may be drawn, so that fewer points are the first of more.
fn dtype_of(mixture: &Mixture) -> Dtype {
    let furthest = mixture.means().iter().fold(0.0, |a: f64, m| a.max(m.abs()));
    let [least, largest] = mixture.deviations();
    Dtype::that_tells_apart(furthest + 6.0 * largest, least)
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
