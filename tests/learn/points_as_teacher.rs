//! Points as a teacher: more components than are measured one by one.

use mixscore::backend::{Backend, Interrupt, UnitProblem};
use mixscore::objective::Estimate;
use mixscore::objective::Neighbours;
use mixscore::objective::{Draws, Form};
use mixscore::objective::{Side, Storage};
use mixscore::problem::Divergences;
use mixscore::reference::Reference;
use mixscore::{Device, GaussianMixture, Problem, device};

use crate::truth::{mixture, points};

type Pick = fn(&Divergences) -> Estimate;

/// Measures from some strata, drawn by weight, against those from all: right on average, with standard errors that tell how far off.
#[test]
fn measures_from_drawn_components_are_those_from_all() {
    agrees(vec![1.0 / 5000.0; 5000], true);
}

/// One component that is drawn again and again: the same, about the measures' own mean.
#[test]
fn a_component_drawn_many_times_is_measured_many_times() {
    agrees((0..5000).map(|j| if j == 7 { 0.9 } else { 0.1 / 4999.0 }).collect(), false);
}

fn agrees(weights: Vec<f64>, with_all: bool) {
    let n = weights.len(); // of which 312 are drawn
    let truth = mixture(2, 1, 4.0, 1);
    let teacher = GaussianMixture::new(weights, points(&truth, n, 2), 1, 0.5).unwrap();
    let student: Vec<f64> = truth.means().iter().map(|m| m + 0.4).collect();
    let problem = Problem { n_samples: Some(64), ..Problem::new(vec![0.5; 2], teacher) };
    let measure = |n_samples: usize, step: u64| -> Divergences {
        let mut opened = device::open(Device::Cpu).unwrap();
        let mut fit = problem.open(&mut *opened.backend, &student).unwrap();
        let said = fit.drawn_strata().map(|said| said.contains("5000 components") && said.contains("312"));
        assert_eq!(said, Some(true));
        fit.measure(n_samples, step).unwrap()[0]
    };
    let all = with_all.then(|| of_all_components(&problem, &student));
    let some: Vec<Divergences> = (0..24).map(|step| measure(256, step)).collect();
    let picks: [(&str, Pick); 3] =
        [("forward", |d| d.forward_fisher), ("KL", |d| d.kl_teacher_student), ("total variation", |d| d.total_variation)];
    for (at, (name, pick)) in picks.into_iter().enumerate() {
        let mean = some.iter().map(|d| pick(d).value).sum::<f64>() / some.len() as f64;
        let all = all.map_or(Estimate { value: mean, standard_error: 0.0 }, |all| all[at]);
        let z: Vec<f64> = some
            .iter()
            .map(|d| {
                let some = pick(d);
                (some.value - all.value) / some.standard_error.hypot(all.standard_error)
            })
            .collect();
        let square = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
        // χ² of 24 degrees over 24 lies in 0.35 to 2.1 but for one time in a thousand; more where a tenth of the draws, from all the
        // light components, carries most of the value, and standard errors come out low with it.
        let most = if with_all { 2.1 } else { 5.0 };
        assert!((0.35..=most).contains(&square), "{name}: z² = {square}, {z:?}");
        // Planted: a value five standard errors off would be seen.
        assert!(z.iter().map(|z| (z + 5.0).powi(2)).sum::<f64>() / z.len() as f64 > most, "{name}");
    }
}

/// Forward Fisher, KL(teacher ‖ student) and total variation in one dimension from three points of every component, on the reference.
fn of_all_components(problem: &Problem, student: &[f64]) -> [Estimate; 3] {
    let scale = problem.teacher.variance().sqrt();
    let unit = |means: &[f64]| means.iter().map(|m| m / scale).collect::<Vec<f64>>();
    let unit_problem = UnitProblem {
        n_replicates: 1,
        first_replicate: 0,
        rank: 1,
        student_weights: problem.student_weights.clone(),
        teacher_weights: problem.teacher.weights().to_vec(),
        teacher_means: unit(problem.teacher.means()),
        form: Form::Stein,
        draws: Draws::Independent(64),
        storage: Storage::F32,
        neighbours: Neighbours::Exact,
        seed: 0,
        interrupt: Interrupt::none(),
    };
    let mut session = Reference.open(&unit_problem).unwrap();
    session.set(&unit(student)).unwrap();
    let mut side = |side: Side| {
        let sums = session.measure(side, None, 3, 0).unwrap();
        [&sums.half_square, &sums.log_ratio, &sums.excess].map(|values| {
            let strata = values.chunks_exact(sums.groups.n_groups);
            let means = strata.map(|means| Estimate::from_groups(&sums.groups, |g| means[g]));
            Estimate::combine(unit_problem.weights(side).iter().copied().zip(means))
        })
    };
    let ([_, _, above], [half_square, log_ratio, below]) = (side(Side::Student), side(Side::Teacher));
    [half_square.scaled(scale.powi(-2)), log_ratio.scaled(-1.0), Estimate::combine([(0.5, above), (0.5, below)])]
}
