//! `mixscore score`: log-density and score of a mixture at points, into one `.npz`.

use std::path::PathBuf;

use serde_json::json;

use super::Common;
use super::exit::Result;
use super::output::Target;
use super::signals::while_reading;
use crate::backend::{Backend, Evaluation, Points};
use crate::device::Device;
use crate::error::Error;
use crate::memory::room_for;
use crate::mixture::Mixture;
use crate::mixture::files::{Dtype, StoredPoints, Values, read_stored_points, write_npz};

/// The numbers of points in one evaluation, which bounds the memory for results in double precision.
const NUMBERS_AT_A_TIME: usize = 1 << 19;

#[derive(clap::Args)]
pub struct Arguments {
    /// A mixture file (.npz, .safetensors or .json).
    #[arg(long, value_name = "M")]
    mixture: PathBuf,
    /// Points (n,d), as .npy, .npz or .csv (separated by commas, semicolons, tabs or blanks); - is standard input.
    #[arg(long, value_name = "X.npy")]
    points: PathBuf,
    /// Also write responsibilities (n,k).
    #[arg(long)]
    responsibilities: bool,
    /// Their type; left out, float64 on the reference device and for each array in which float32 would merge distinct values, else float32.
    #[arg(long, value_enum, value_name = "f32|f64")]
    dtype: Option<Dtype>,
    /// Where the arrays go: log_density (n), score (n,d); - is standard output.
    #[arg(long, value_name = "O.npz")]
    output: PathBuf,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> Result<()> {
    let inputs = [("--mixture", arguments.mixture.as_path()), ("--points", arguments.points.as_path())];
    let output = Target::of(common, &arguments.output, "npz", &inputs)?;
    let mixture = common.read_any_mixture(&arguments.mixture)?;
    let points = while_reading(|| read_stored_points(&arguments.points))?;
    points.notes.iter().for_each(|note| common.say(note));
    check_points(arguments, &mixture, &points)?;
    let mut opened = common.open_device_for(&[&mixture])?;
    let asked = arguments.dtype.or((common.device == Device::Reference).then_some(Dtype::F64));
    let (n, d, k) = (points.n, points.d, mixture.n_components());
    let columns = evaluate(&mut *opened.backend, &mixture, &points, arguments.responsibilities, asked)?;
    let shapes: [&[usize]; 3] = [&[n], &[n, d], &[n, k]];
    let arrays: Vec<_> = columns.iter().zip(shapes).map(|(column, shape)| (column.name, shape, column.values())).collect();
    output.write(|path| write_npz(path, &arrays))?;
    if common.json {
        return common.print_json(&json!({
            "schema": "mixscore.score/1",
            "points": n,
            "features": d,
            "components": k,
            "covariance_type": mixture.covariance_kind().name(),
            "dtype": columns[1].dtype.name(),
            "log_density_dtype": columns[0].dtype.name(),
            "responsibilities": arguments.responsibilities,
            "device": opened.backend.describe().to_string(),
            "output": arguments.output.to_string_lossy(),
        }));
    }
    output.print(common, &format!("{n} points of {d} dimensions scored; written to {}", arguments.output.display()))
}

fn check_points(arguments: &Arguments, mixture: &Mixture, points: &StoredPoints) -> crate::Result<()> {
    if points.d == mixture.n_features() {
        return Ok(());
    }
    Err(Error::bad_file(
        &arguments.points,
        format!("points of shape [{}, {}] for a mixture in {} dimensions", points.n, points.d, mixture.n_features()),
        format!("Give points of shape (n, {})", mixture.n_features()),
    ))
}

/// The result for all points, in the type in which it is written.
struct Column {
    name: &'static str,
    dtype: Dtype,
    /// Whether the user chose the type; otherwise it becomes double precision if single precision would merge values.
    is_fixed: bool,
    /// Differences far below this do not matter to a reader.
    unit: f64,
    single: Vec<f32>,
    double: Vec<f64>,
}

impl Column {
    /// The values in the column's type.
    fn values(&self) -> Values<'_> {
        match self.dtype {
            Dtype::F32 => Values::F32(&self.single),
            Dtype::F64 => Values::F64(&self.double),
        }
    }

    /// Appends values. Returns false if they need double precision; the column then has that type and must be filled again.
    fn extend(&mut self, values: &[f64]) -> crate::Result<bool> {
        let so_far = self.single.len() + self.double.len();
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::NonFiniteResult {
                what: format!("{}: number {} is {}", self.name, so_far + at, values[at]),
                remedy: "Nothing was written. Numbers this far apart need the reference device, or smaller units".into(),
            });
        }
        let largest = values.iter().fold(0.0, |a: f64, v| a.max(v.abs()));
        if self.dtype == Dtype::F64 {
            self.double.extend_from_slice(values);
        } else if !self.is_fixed && Dtype::that_tells_apart(largest, self.unit) == Dtype::F64 {
            self.dtype = Dtype::F64;
            return Ok(false);
        } else if largest > f64::from(f32::MAX) {
            return Err(Error::NonFiniteResult {
                what: format!("{}: {largest:e} does not fit in single precision", self.name),
                remedy: "Nothing was written. Use --dtype f64".into(),
            });
        } else {
            self.single.extend(values.iter().map(|v| *v as f32));
        }
        Ok(true)
    }

    /// Empties the column and makes room for `count` values.
    fn reserve(&mut self, count: usize) -> crate::Result<()> {
        (self.single, self.double) = (Vec::new(), Vec::new());
        match self.dtype {
            Dtype::F32 => self.single = room_for(count, "the results")?,
            Dtype::F64 => self.double = room_for(count, "the results")?,
        }
        Ok(())
    }
}

/// Log-density, score and, if asked, responsibilities, for a part of the points at a time. If a column turns out to need double precision,
/// everything is evaluated again, so that neither results nor points are in memory twice.
fn evaluate(
    device: &mut dyn Backend,
    mixture: &Mixture,
    points: &StoredPoints,
    responsibilities: bool,
    asked: Option<Dtype>,
) -> crate::Result<Vec<Column>> {
    let column = |name, unit| Column {
        name,
        dtype: asked.unwrap_or(Dtype::F32),
        is_fixed: asked.is_some(),
        unit,
        single: Vec::new(),
        double: Vec::new(),
    };
    // A nat, a score at one standard deviation, and all of the probability.
    let mut columns = vec![column("log_density", 1.0), column("score", 1.0 / mixture.deviations()[0])];
    columns.extend(responsibilities.then(|| column("responsibilities", 1.0)));
    let (n, d, k) = (points.n, points.d, mixture.n_components());
    let all = Points::from(&points.numbers);
    'again: loop {
        columns.iter_mut().zip([n, n * d, n * k]).try_for_each(|(column, count)| column.reserve(count))?;
        let rows = (NUMBERS_AT_A_TIME / if responsibilities { d.max(k) } else { d }).max(1);
        for part in all.chunks(rows * d) {
            let Evaluation { log_density, score, responsibilities } = device.evaluate(mixture, part, responsibilities)?;
            for (column, values) in columns.iter_mut().zip([log_density, score, responsibilities]) {
                if !column.extend(&values)? {
                    continue 'again;
                }
            }
        }
        return Ok(columns);
    }
}
