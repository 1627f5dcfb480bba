use super::*;
use crate::diffusion::islands::Islands;
use crate::diffusion::{em, points_of::draw};

/// Ten clusters in fifty dimensions, ten standard deviations apart.
fn ten_clusters() -> GaussianMixture {
    let mut means = vec![0.0; 500];
    (0..10).for_each(|l| means[l * 50 + l] = 7.0);
    GaussianMixture::new(vec![0.1; 10], means, 50, 1.0).unwrap()
}

/// Learning from a hundred points per cluster, with a tenth held out, and 20 000 draws of the result that are moved by `off` σ in one
/// coordinate.
fn after_learning(seed: u64, off: f64) -> Draws {
    let truth = ten_clusters();
    let data = Data::new(&draw(&truth, 1000, seed), 50, Some(1.0), Islands::default(), 0.1, seed).unwrap();
    let options = em::Options { variance: None, tolerance: 1e-9, most_iterations: 500 };
    let model = em::climb(&data.train, data.inside(&truth).unwrap(), options, None).unwrap().mixture;
    let mut draws = draw(&data.outside(&model).unwrap(), 20_000, 100 + seed);
    draws.iter_mut().step_by(50).for_each(|x| *x += off);
    compared(&data, &model, &draws, seed).unwrap().unwrap()
}

/// A model's own draws agree with its training points. The held-out points have other means by chance, 0.24σ here.
#[test]
fn right_draws_of_many_dimensions_have_no_faults() {
    for seed in 0..5 {
        let right = after_learning(seed, 0.0);
        assert!(right.faults.is_empty() && right.points == 900, "{:?}", right.faults);
        assert!(right.components.iter().all(|c| c.is_judged));
        assert_eq!(after_learning(seed, 0.8).faults.len(), 10, "all means are off");
    }
}

/// Energy distances of an estimated variance are in its σ: the same points in units of a sixteenth have the same distance.
#[test]
fn the_energy_distance_is_in_sigma() {
    let distance = |unit: f64| {
        let truth = GaussianMixture::new(vec![0.5, 0.5], vec![0.0, 0.0, 8.0 * unit, 0.0], 2, unit * unit).unwrap();
        let data = Data::new(&draw(&truth, 4000, 1), 2, Some(1.0), Islands::default(), 0.0, 1).unwrap();
        let moved: Vec<f64> = draw(&truth, 4000, 2).iter().map(|x| x + unit).collect();
        let found = compared(&data, &data.inside(&truth).unwrap(), &moved, 1).unwrap().unwrap();
        found.two_sample.unwrap().energy_distance.value
    };
    let (one, sixteenth) = (distance(1.0), distance(0.0625));
    assert!((sixteenth / one - 1.0).abs() <= 1e-3, "{sixteenth} for {one}");
}

/// If only a part of the data is used, it has a chance of its own.
#[test]
fn points_that_stand_for_others_have_their_chance() {
    let truth = ten_clusters();
    let side = |n: usize, seed: u64| moments(&draw(&truth, n, seed).iter().map(|x| *x as f32).collect::<Vec<f32>>(), &truth);
    let (draws, points) = (side(20_000, 1), side(1000, 2));
    let error = |unseen: f64| component(&draws[0], &points[0], 50, 1.0, unseen);
    let (none, most) = (error(0.0), error(0.99));
    // √(50/2000) and √(50/2000 + 49.5/100); √(0.09/20 000) and √(0.09/20 000 + 0.99·0.09/1000).
    let ratio =
        (most.mean_distance.standard_error / none.mean_distance.standard_error, most.share.standard_error / none.share.standard_error);
    assert!((ratio.0 - 4.56).abs() <= 0.4 && (ratio.1 - 4.56).abs() <= 0.4, "{ratio:?}");
    assert!(none.worst > 1.0 && most.worst < 1.0, "{none:?} {most:?}");
}

/// A component whose points are all equal has no variance that others could be a multiple of: none is printed, and draws that spread there
/// are a fault all the same.
#[test]
fn beside_equal_points_no_ratio_of_variances_is_made_up() {
    let mixture = GaussianMixture::new(vec![0.5, 0.5], vec![0.1, 3e-8, 10.0, 10.0], 2, 1e-2).unwrap();
    let of = |spread: f64, seed: u64| {
        let mut points = draw(&mixture, 4000, seed);
        for x in points.chunks_exact_mut(2).filter(|x| x[0] < 5.0) {
            x.iter_mut().zip([0.1, 3e-8]).for_each(|(x, mean)| *x = mean + spread * (*x - mean));
        }
        let sums = moments(&points.iter().map(|x| *x as f32).collect::<Vec<f32>>(), &mixture);
        sums.into_iter().next().unwrap()
    };
    for spread in [0.0, 1e-12, 1e-5] {
        let right = component(&of(spread, 1), &of(0.0, 2), 2, 0.1, 0.0);
        assert!(right.variance.is_none() && right.variance_along.is_none() && right.is_judged && right.worst < 1.0, "{right:?}");
        let wide = component(&of(1.0, 1), &of(spread, 2), 2, 0.1, 0.0);
        assert!(wide.variance.is_none() && wide.worst > 1.0 && wide.worst.is_finite(), "{wide:?}");
        let said = fault(0, &wide);
        assert!(said.contains("σ beside points that are equal") && !said.contains("times the variance"), "{said}");
        let narrow = component(&of(spread, 1), &of(1.0, 2), 2, 0.1, 0.0);
        assert!(narrow.variance.is_some_and(|ratio| (0.0..=1e-5).contains(&ratio.value)) && narrow.worst > 1.0, "{narrow:?}");
    }
}
