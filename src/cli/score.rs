//! `mixscore score`: log-density and score of a mixture at points, into one `.npz`.

use std::path::PathBuf;

use serde_json::json;

use super::Common;
use super::exit::Result;
use super::output::check_output;
use crate::backend::Evaluation;
use crate::device::Device;
use crate::error::Error;
use crate::mixture::GaussianMixture;
use crate::mixture::files::{Array, Values, check_finite, read_mixture, read_points, to_f32, write_npz};

#[derive(clap::Args)]
pub struct Arguments {
    /// A mixture file (.npz, .safetensors or .json).
    #[arg(long, value_name = "M")]
    mixture: PathBuf,
    /// Points (n,d), as .npy or .csv.
    #[arg(long, value_name = "X.npy")]
    points: PathBuf,
    /// Also write responsibilities (n,k).
    #[arg(long)]
    responsibilities: bool,
    /// Where the arrays go: log_density (n), score (n,d); float64 on the reference device, else float32.
    #[arg(long, value_name = "O.npz")]
    output: PathBuf,
}

pub fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    check_output(&arguments.output, "npz", &[("--mixture", &arguments.mixture), ("--points", &arguments.points)])?;
    let mixture = read_mixture(&arguments.mixture)?;
    let points = read_points(&arguments.points)?;
    let n = check_points(arguments, &mixture, &points)?;
    let mut opened = common.open_device()?;
    let evaluation = opened.backend.evaluate(&mixture, (&points.values).into(), arguments.responsibilities)?;
    let double = common.device == Device::Reference;
    write(arguments, &mixture, n, &evaluation, double)?;
    if common.json {
        return common.print_json(&json!({
            "schema": "mixscore.score/1",
            "points": n,
            "features": mixture.n_features(),
            "components": mixture.n_components(),
            "dtype": if double { "float64" } else { "float32" },
            "responsibilities": arguments.responsibilities,
            "device": opened.backend.describe().to_string(),
            "output": arguments.output.to_string_lossy(),
        }));
    }
    common.print(&format!("{n} points of {} dimensions scored; written to {}", mixture.n_features(), arguments.output.display()))
}

fn check_points(arguments: &Arguments, mixture: &GaussianMixture, points: &Array) -> Result<usize> {
    match points.shape[..] {
        [n, d] if d == mixture.n_features() => Ok(n),
        _ => Err(Error::bad_file(
            &arguments.points,
            format!("points of shape {:?} for a mixture in {} dimensions", points.shape, mixture.n_features()),
            format!("Give points of shape (n, {})", mixture.n_features()),
        )
        .into()),
    }
}

fn write(arguments: &Arguments, mixture: &GaussianMixture, n: usize, evaluation: &Evaluation, double: bool) -> crate::Result<()> {
    let (vector, matrix, shares) = ([n], [n, mixture.n_features()], [n, mixture.n_components()]);
    let mut arrays: Vec<(&str, &[usize], &[f64])> =
        vec![("log_density", &vector, &evaluation.log_density), ("score", &matrix, &evaluation.score)];
    if arguments.responsibilities {
        arrays.push(("responsibilities", &shares, &evaluation.responsibilities));
    }
    if double {
        for (name, _, values) in &arrays {
            check_finite(name, values)?;
        }
        let arrays: Vec<_> = arrays.iter().map(|(name, shape, values)| (*name, *shape, Values::F64(values))).collect();
        return write_npz(&arguments.output, &arrays);
    }
    let single = arrays.iter().map(|(name, _, values)| to_f32(name, values)).collect::<crate::Result<Vec<_>>>()?;
    let arrays: Vec<_> = arrays.iter().zip(&single).map(|((name, shape, _), values)| (*name, *shape, Values::F32(values))).collect();
    write_npz(&arguments.output, &arrays)
}
