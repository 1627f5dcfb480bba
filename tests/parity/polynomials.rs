//! Piecewise polynomials: Gram matrices and the reverse diffusion against plain loops in double precision, with planted faults.

use libtest_mimic::Failed;
use mixscore::backend::{Cells, Gram, Polynomials, Step};
use mixscore::internals::diffusion::Piecewise;
use mixscore::internals::diffusion::draw;
use mixscore::internals::diffusion::{Address, Noised};
use mixscore::internals::objective::Basis;
use mixscore::mixture::generate::separated;
use mixscore::reference::ReferencePolynomials;

use super::device::Which;
use super::within;

/// Points of a mixture with noise on them, and the cells around some of its means.
struct Case {
    noised: Noised,
    centres: Vec<f32>,
    basis: Basis,
}

const SIGMA: f32 = 1.3;

fn case(rank: usize, degree: usize, cells: usize) -> Case {
    let truth = separated(cells.max(4), rank, 4.0, 5).unwrap();
    let x: Vec<f32> = draw(&truth, 3001, 6).iter().map(|v| *v as f32).collect();
    let noised = Noised::new(&x, rank, 0.7, 2500, 100, Address { seed: 3, level: 1, usage: 0 });
    let centres = truth.means()[..cells * rank].iter().map(|v| *v as f32).collect();
    Case { noised, centres, basis: Basis::new(rank, degree) }
}

/// Few and many columns, one cell and several, one coordinate and more than a quad, cells longer than a job.
const CASES: [(usize, usize, usize); 5] = [(1, 5, 1), (2, 3, 4), (2, 8, 3), (5, 3, 3), (11, 2, 2)];

fn own(which: &Which) -> Box<dyn Polynomials> {
    which.open().polynomials()
}

/// The largest error of an entry, as a share of what Cauchy and Schwarz bound it by: the root of its two diagonal entries.
fn worst(got: &[Gram], want: &[Gram], n_rows: usize) -> f64 {
    let mut worst = 0.0f64;
    let mut see = |err: f64| worst = if worst >= err { worst } else { err }; // NaN stays
    for (got, want) in got.iter().zip(want) {
        if got.n != want.n {
            return f64::NAN; // a point is in another cell
        }
        let features = (want.gram.len() as f64).sqrt() as usize;
        let size = |f: usize| want.gram[f * features + f].sqrt() + 1e-12;
        for column in 0..features {
            for row in column..features {
                let at = column * features + row;
                see((got.gram[at] - want.gram[at]).abs() / (size(row) * size(column)));
            }
        }
        for (at, want) in want.moment.iter().enumerate() {
            // Targets are of order one in units of σ, with a noise of variance 1/0.7.
            see((got.moment[at] - want).abs() / (size(at % features) * (2.0 * n_rows as f64).sqrt()));
        }
    }
    worst
}

/// Sums of up to 8192 rows in single precision, of features with some ten roundings of 6e-8.
const BOUND: f64 = 1e-5;

pub(crate) fn gram_matrices(which: &Which) -> Result<(), Failed> {
    let mut device = own(which);
    for (rank, degree, n_cells) in CASES {
        let Case { noised, centres, basis } = case(rank, degree, n_cells);
        let cells = Cells { basis: &basis, centres: &centres, sigma: SIGMA };
        let want = ReferencePolynomials.grams(&cells, &noised.y, &noised.target)?;
        let got = device.grams(&cells, &noised.y, &noised.target)?;
        let name = format!("rank {rank}, degree {degree}, {n_cells} cells");
        within(&name, worst(&got, &want, noised.len()), BOUND)?;
        // Planted: one coordinate of one point of 5000, one target, and one row that is counted twice.
        let (mut y, mut target) = (noised.y.clone(), noised.target.clone());
        y[0] += 0.5;
        target[rank] += 1.0;
        let twice = |v: &[f32]| [v, &v[..rank]].concat();
        let faults = [
            device.grams(&cells, &y, &noised.target)?,
            device.grams(&cells, &noised.y, &target)?,
            device.grams(&cells, &twice(&noised.y), &twice(&noised.target))?,
        ];
        for (at, fault) in faults.iter().enumerate() {
            if worst(fault, &want, noised.len()) <= BOUND {
                return Err(format!("{name}: planted fault {at} was not seen").into());
            }
        }
    }
    Ok(())
}

/// A step's points, as far as they are from the reference's, in σ.
fn moved(device: &mut dyn Polynomials, step: &Step, y: &[f32]) -> Result<Vec<f32>, Failed> {
    let mut y = y.to_vec();
    device.reverse(step, &mut y)?;
    Ok(y)
}

fn farthest(got: &[f32], want: &[f32]) -> f64 {
    let far = |worst: f64, (g, w): (&f32, &f32)| if worst >= f64::from((g - w).abs()) { worst } else { f64::from((g - w).abs()) };
    got.iter().zip(want).fold(0.0, far) / f64::from(SIGMA)
}

/// Terms in single precision: at the clip a feature of degree 8 is 5⁸/√8! = 1900, and its coefficient some hundredths.
const MOVED: f64 = 1e-4;

pub(crate) fn reverse_diffusion(which: &Which) -> Result<(), Failed> {
    let mut device = own(which);
    for (rank, degree, n_cells) in CASES {
        let Case { noised, centres, basis } = case(rank, degree, n_cells);
        let fitted = Piecewise::fit(&noised, &noised, centres, f64::from(SIGMA), basis, &mut ReferencePolynomials)?;
        let coefficients = &fitted.coefficients;
        let step = Step { cells: fitted.cells(), coefficients, pull: 0.3, spread: 0.4, key: [7, 9], step: 3 };
        let want = moved(&mut ReferencePolynomials, &step, &noised.y)?;
        let name = format!("rank {rank}, degree {degree}, {n_cells} cells");
        within(&name, farthest(&moved(&mut *device, &step, &noised.y)?, &want), MOVED)?;
        let mut other = coefficients.clone();
        other[0] += 1e-3;
        let faults =
            [Step { coefficients: &other, ..step }, Step { step: 4, ..step }, Step { pull: 0.301, ..step }, Step { spread: 0.401, ..step }];
        for (at, fault) in faults.iter().enumerate() {
            if farthest(&moved(&mut *device, fault, &noised.y)?, &want) <= MOVED {
                return Err(format!("{name}: planted fault {at} was not seen").into());
            }
        }
    }
    Ok(())
}

/// The jobs are the same however many fit at once, and neither poison nor checked indices change a bit.
pub(crate) fn any_chunk(which: &Which) -> Result<(), Failed> {
    let open = || which.gpu();
    for (rank, degree, n_cells) in [CASES[1], CASES[3]] {
        let Case { noised, centres, basis } = case(rank, degree, n_cells);
        let everything = |gpu: &mixscore::gpu::Gpu| -> Result<(Vec<Gram>, Vec<f32>), Failed> {
            let mut device = mixscore::Backend::polynomials(gpu);
            let cells = Cells { basis: &basis, centres: &centres, sigma: SIGMA };
            let coefficients: Vec<f32> = (0..centres.len() * basis.len()).map(|i| (i as f32 * 0.7).sin() * 0.1).collect();
            let step = Step { cells, coefficients: &coefficients, pull: 0.3, spread: 0.4, key: [7, 9], step: 3 };
            Ok((device.grams(&cells, &noised.y, &noised.target)?, moved(&mut *device, &step, &noised.y)?))
        };
        let want = everything(&open())?;
        let poisoned = open().poisoned().with_row_budget(2048);
        for (name, gpu) in [("small chunks", &open().with_row_budget(2048)), ("checked", &open().checked()), ("poisoned", &poisoned)] {
            if everything(gpu)? != want {
                return Err(format!("{name}: other bits").into());
            }
        }
        let overwritten = poisoned.overwritten()?;
        if !overwritten.is_empty() {
            return Err(format!("written past the end: {overwritten:?}").into());
        }
    }
    Ok(())
}
