//! Generated teachers: separations, shapes, distributions, and refused inputs.

use super::*;

fn distances(mixture: &GaussianMixture) -> Vec<f64> {
    let k = mixture.n_components();
    let pairs = (0..k).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs.map(|(i, j)| crate::mixture::squared_distance(mixture.mean(i), mixture.mean(j)).sqrt()).collect()
}

fn smallest(mixture: &GaussianMixture) -> f64 {
    distances(mixture).into_iter().fold(f64::INFINITY, f64::min)
}

/// A few roundings of a length: scaling, differences, root.
fn assert_length(got: f64, expected: f64) {
    assert!((got - expected).abs() <= 1e-13 * expected, "{got} instead of {expected}");
}

#[test]
fn the_smallest_distance_is_the_separation() {
    for (k, d) in [(2, 1), (7, 1), (2, 2), (40, 2), (12, 3), (30, 19), (5, 1000)] {
        for separation in [0.5, 6.0, 100.0] {
            let mixture = separated(k, d, separation, 3).unwrap();
            assert_eq!((mixture.n_components(), mixture.n_features(), mixture.variance()), (k, d, 1.0));
            assert_length(smallest(&mixture), separation);
        }
    }
    for k in [2, 3, 5, 64] {
        assert_length(smallest(&circle(k, 6.0, 4).unwrap()), 6.0);
        assert_length(smallest(&line(k, 6.0, 3).unwrap()), 6.0);
    }
}

#[test]
fn the_shapes_are_what_they_are_called() {
    let circle = circle(5, 6.0, 3).unwrap();
    let radius = 3.0 / (PI / 5.0).sin();
    (0..5).for_each(|j| assert_length(crate::mixture::squared_distance(circle.mean(j), &[0.0; 3]).sqrt(), radius));
    assert_eq!(line(3, 2.0, 2).unwrap().means(), [-2.0, 0.0, 0.0, 0.0, 2.0, 0.0]);
    assert_eq!(gaussian(3, 5.0).unwrap().means(), [5.0, 0.0, 0.0]);
    assert_eq!(separated(1, 4, 6.0, 0).unwrap().means(), [0.0; 4]);
}

/// Uniform on (−h, h): mean 0, variance h²/3, fourth moment h⁴/5; six standard errors.
#[test]
fn the_box_is_filled_evenly() {
    let (h, n) = (40.0, 20_000.0);
    let mixture = uniform_box(10_000, 2, h, 9).unwrap();
    let moment = |power: i32| mixture.means().iter().map(|m| (m / h).powi(power)).sum::<f64>() / n;
    assert!(mixture.means().iter().all(|m| m.abs() <= h));
    assert!(moment(1).abs() <= 6.0 * (1.0 / 3.0 / n).sqrt(), "{}", moment(1));
    assert!((moment(2) - 1.0 / 3.0).abs() <= 6.0 * ((0.2 - 1.0 / 9.0) / n).sqrt(), "{}", moment(2));
}

#[test]
fn seeds_decide_and_components_do_not_interfere() {
    let a = uniform_box(5, 3, 1.0, 1).unwrap();
    assert_eq!(a, uniform_box(5, 3, 1.0, 1).unwrap());
    assert_ne!(a, uniform_box(5, 3, 1.0, 2).unwrap());
    assert_eq!(a.means()[..], uniform_box(9, 3, 1.0, 1).unwrap().means()[..15]);
    assert_ne!(separated(5, 3, 1.0, 1).unwrap(), separated(5, 3, 1.0, 2).unwrap());
}

#[test]
fn impossible_numbers_are_refused() {
    let huge = 1 << 32;
    let refused = [
        gaussian(0, 0.0),
        gaussian(3, f64::NAN),
        gaussian(3, 1e16),
        gaussian(usize::MAX, 0.0),
        circle(0, 6.0, 2),
        circle(5, 6.0, 1),
        circle(5, f64::NAN, 2),
        circle(5, -1.0, 2),
        circle(5, f64::MAX, 2),
        line(huge, 6.0, 1),
        line(huge, 6.0, huge),
        separated(huge, 1, 6.0, 0),
        separated(1 << 21, 2, 6.0, 0),
        separated(3, 2, f64::INFINITY, 0),
        uniform_box(3, 2, f64::NAN, 0),
    ];
    for (at, result) in refused.into_iter().enumerate() {
        assert!(matches!(result, Err(crate::Error::BadInput { .. })), "case {at}");
    }
}

#[test]
fn configs_name_them() {
    let read = |text: &str| toml::from_str::<Generator>(text);
    let circle = read("kind = \"circle\"\ncomponents = 2\nweights = [0.25, 0.75]").unwrap();
    let mixture = circle.generate(0).unwrap();
    assert_eq!((mixture.weights(), mixture.n_features()), (&[0.25, 0.75][..], 2));
    assert_length(smallest(&mixture), 6.0);
    assert_eq!(read(&toml::to_string(&circle).unwrap()).unwrap(), circle);
    let gmm40 = read("kind = \"uniform-box\"\ncomponents = 40\nfeatures = 50").unwrap().generate(1).unwrap();
    assert_eq!(gmm40, uniform_box(40, 50, 40.0, 1).unwrap());
    assert!(read("kind = \"circle\"\ncomponents = 2\nseparatoin = 3.0").is_err());
    assert!(read("kind = \"line\"\ncomponents = 2\nweights = [1.0]").unwrap().generate(0).is_err());
}
