//! The library's own doors: arrays of other lengths, too few samples and rates that are no numbers are refused with both figures.

use mixscore::backend::{Backend, Points, Rule};
use mixscore::metrics::{coverage, lyapunov, matched_distance};
use mixscore::{GaussianMixture, Problem};

#[track_caller]
fn refused<T>(result: mixscore::Result<T>, words: &[&str]) {
    let error = result.err().expect("accepted").to_string();
    words.iter().for_each(|word| assert!(error.contains(word), "{error}: no {word}"));
}

fn teacher() -> GaussianMixture {
    GaussianMixture::uniform(vec![-2.0, 0.0, 0.0, 2.0, 0.0, 1.0], 3).unwrap()
}

#[test]
fn a_fit_takes_its_own_shapes_alone() {
    let mut device = mixscore::reference::Reference;
    let problem = Problem { n_samples: Some(64), ..Problem::new(vec![0.5, 0.5], teacher()) };
    let start = [0.5, 0.0, 0.0, 1.0, 1.0, 0.0];
    refused(problem.open(&mut device, &start[..5]).map(drop), &["5 numbers", "2 means in 3 dimensions"]);
    let mut fit = problem.open(&mut device, &start).unwrap();
    let coordinates = fit.coordinates().unwrap();
    refused(fit.set_coordinates(&coordinates[1..]), &[&format!("{} coordinates", coordinates.len() - 1), &coordinates.len().to_string()]);
    let mut broken = coordinates.clone();
    broken[1] = f64::NAN;
    refused(fit.set_coordinates(&broken), &["coordinate 1", "NaN"]);
    refused(fit.lift(&[]), &["0 coordinates"]);
    for rate in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
        refused(fit.descend(0, 1, &Rule::new(rate, true)), &["the step size is"]);
    }
    for n in [0, 1, usize::MAX] {
        refused(fit.measure(n, 0), &[&format!("{n} samples"), "2 to"]);
    }
    fit.set_coordinates(&coordinates).unwrap();
    fit.descend(0, 1, &Rule::new(0.5, true)).unwrap();
    assert_eq!(fit.measure(2, 0).unwrap().len(), 1);
}

#[test]
fn samples_teachers_and_points_of_other_numbers_are_refused() {
    let mut device = mixscore::cpu::Cpu::new();
    let start = [0.5, 0.0, 0.0, 1.0, 1.0, 0.0];
    let problem = |n| Problem { n_samples: n, ..Problem::new(vec![0.5, 0.5], teacher()) };
    for (n, word) in [(Some(0), "0 samples"), (Some(1), "1 samples"), (None, "missing")] {
        refused(problem(n).open(&mut device, &start).map(drop), &[word]);
    }
    refused(problem(Some(64)).open_each(&mut device, &start, &[]).map(drop), &["0 teachers for 1 replicates"]);
    refused(problem(Some(64)).open_each(&mut device, &start, &[teacher(), teacher()]).map(drop), &["2 teachers for 1 replicates"]);
    let other = GaussianMixture::uniform(vec![0.0, 0.0], 2).unwrap();
    refused(problem(Some(64)).open_each(&mut device, &start, &[other]).map(drop), &["(1, 2)", "(2, 3)"]);
    let empty: &[f64] = &[];
    for points in [Points::F64(&start[..5]), Points::F64(empty), Points::F32(&[1.0; 4])] {
        refused(device.evaluate(&(&teacher()).into(), points, false), &[&format!("{} numbers", points.len()), "3 dimensions"]);
        refused(mixscore::reference::Reference.evaluate(&(&teacher()).into(), points, false), &["(n, 3)"]);
    }
}

#[test]
fn metrics_take_students_of_the_teachers_dimension() {
    let (means, weights) = ([0.5, 0.0, 0.0, 1.0, 1.0, 0.0], [0.5, 0.5]);
    refused(coverage(&teacher(), &means[..5], &weights), &["5 numbers", "2 students", "3 dimensions"]);
    refused(matched_distance(&teacher(), &means, &weights[..1]), &["6 numbers", "1 students"]);
    refused(lyapunov(&teacher(), &means[..4], None), &["4 numbers"]);
    refused(coverage(&teacher(), &[], &[]), &["0 students"]);
    assert_eq!(coverage(&teacher(), &means, &weights).unwrap().n_teacher_components, 2);
}
