//! Our side of the comparison with a peer: answers one line of standard input at a time, so that a script can take turns.
//!
//! ```text
//! open STUDENT TEACHER SAMPLES SAMPLER ESTIMATOR NEIGHBOURS   → rank, certified bias
//! step RATE                                                   → seconds of one step of size RATE on ∂L/∂μ / w, from the start
//! gradient STEP OUT                                           → writes ∂L/∂μ (k, d) as raw float64
//! sgemm                                                       → GFLOP/s of a product of 2048² matrices on all threads
//! ```

use std::io::{BufRead, Write};
use std::path::Path;
use std::time::Instant;

use clap::ValueEnum;
use faer::{Accum, Mat, Par, linalg::matmul::matmul};
use mixscore::backend::Rule;
use mixscore::cpu::Cpu;
use mixscore::mixture::files::read_mixture;
use mixscore::objective::{Estimator, Sampler};
use mixscore::{Fit, Problem};

struct Open {
    fit: Fit,
    start: Vec<f64>,
    step: u64,
}

fn open(words: &[&str]) -> Open {
    let student = read_mixture(Path::new(words[0])).unwrap();
    let teacher = read_mixture(Path::new(words[1])).unwrap();
    let problem = Problem {
        n_samples: Some(words[2].parse().unwrap()),
        sampler: Sampler::from_str(words[3], true).unwrap(),
        estimator: Estimator::from_str(words[4], true).unwrap(),
        neighbours: words[5].parse().unwrap(),
        ..Problem::new(student.weights().to_vec(), teacher)
    };
    let mut fit = problem.open(&mut Cpu::new(), student.means()).unwrap();
    let start = fit.coordinates().unwrap();
    Open { fit, start, step: 0 }
}

fn step(open: &mut Open, rate: f64) -> f64 {
    open.fit.set_coordinates(&open.start).unwrap();
    open.step += 1;
    let start = Instant::now();
    open.fit.descend(open.step, 1, &Rule::new(rate, true)).unwrap();
    start.elapsed().as_secs_f64()
}

fn sgemm() -> f64 {
    let n = 2048;
    let (a, b) = (Mat::<f32>::from_fn(n, n, |i, j| (i + j) as f32 * 1e-3), Mat::<f32>::from_fn(n, n, |i, j| (i * j % 7) as f32));
    let mut c = Mat::<f32>::zeros(n, n);
    let once = |c: &mut Mat<f32>| {
        let start = Instant::now();
        matmul(c.as_mut(), Accum::Replace, &a, &b, 1.0, Par::rayon(0));
        2.0 * (n as f64).powi(3) / start.elapsed().as_secs_f64() / 1e9
    };
    (0..5).map(|_| once(&mut c)).fold(0.0, f64::max)
}

fn main() {
    let mut current: Option<Open> = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match (words.split_first(), &mut current) {
            (Some((&"open", rest)), _) => {
                let mut opened = open(rest);
                let answer = format!("{} {}", opened.fit.rank(), opened.fit.certified_bias().unwrap());
                current = Some(opened);
                answer
            }
            (Some((&"step", rest)), Some(open)) => step(open, rest[0].parse().unwrap()).to_string(),
            (Some((&"gradient", rest)), Some(open)) => {
                open.fit.set_coordinates(&open.start).unwrap();
                let gradient = open.fit.gradient(rest[0].parse().unwrap()).unwrap().remove(0).gradient;
                std::fs::write(rest[1], bytemuck::cast_slice(&gradient)).unwrap();
                "written".into()
            }
            (Some((&"sgemm", _)), _) => sgemm().to_string(),
            _ => "what?".into(),
        };
        println!("{answer}");
        std::io::stdout().flush().unwrap();
    }
}
