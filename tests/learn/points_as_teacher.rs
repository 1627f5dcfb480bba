//! Points as a teacher: more components than are measured one by one.

use mixscore::objective::groups::Estimate;
use mixscore::problem::fit::Divergences;
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
    let measure = |device: Device, n_samples: usize, step: u64| -> Divergences {
        let mut opened = device::open(device).unwrap();
        let mut fit = problem.open(&mut *opened.backend, &student).unwrap();
        let said = fit.drawn_strata().map(|said| said.contains("5000 components") && said.contains("312"));
        assert_eq!(said, (device == Device::Cpu).then_some(true));
        fit.measure(n_samples, step).unwrap()[0]
    };
    let all = with_all.then(|| measure(Device::Reference, 3, 0)); // the reference leaves nothing out
    let some: Vec<Divergences> = (0..24).map(|step| measure(Device::Cpu, 256, step)).collect();
    let picks: [(&str, Pick); 3] =
        [("forward", |d| d.forward_fisher), ("KL", |d| d.kl_teacher_student), ("total variation", |d| d.total_variation)];
    for (name, pick) in picks {
        let mean = some.iter().map(|d| pick(d).value).sum::<f64>() / some.len() as f64;
        let all = all.as_ref().map_or(Estimate { value: mean, standard_error: 0.0 }, pick);
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
