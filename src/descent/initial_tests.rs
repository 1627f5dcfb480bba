//! Starts: their distributions by moments, and that a replicate's draws do not depend on other replicates.

use super::*;
use crate::mixture::squared_distance;

/// Two components in three dimensions with unequal weights, far from the origin: centroid (11.5, −5, 0).
fn teacher() -> GaussianMixture {
    GaussianMixture::new(vec![0.25, 0.75], vec![10.0, -5.0, 0.0, 12.0, -5.0, 0.0], 3, 0.25).unwrap()
}

fn all() -> Vec<Scheme> {
    vec![
        Scheme::Wide { scale: 2.0 },
        Scheme::Gaussian { scale: 3.0 },
        Scheme::Shell { radius: 1.5 },
        Scheme::TeacherDraws {},
        Scheme::AroundTeacher { scale: 0.5 },
        Scheme::Collinear { scale: 5.0 },
        Scheme::Coincident { scale: 5.0 },
        Scheme::Outlier { scale: 1.0, distance: 100.0 },
        Scheme::Point { at: vec![6.0, 0.0, 0.0], jitter: 1e-7 },
    ]
}

const K: usize = 20_000;

/// Compares mean and variance per coordinate about `centre` with the given ones, within six standard errors of a normal sample.
fn assert_law(means: &[f64], centre: [f64; 3], variances: [f64; 3]) {
    let n = (means.len() / 3) as f64;
    for c in 0..3 {
        let column = || means.iter().skip(c).step_by(3).map(|m| m - centre[c]);
        let mean = column().sum::<f64>() / n;
        let variance = column().map(|x| x * x).sum::<f64>() / n;
        assert!(mean.abs() <= 6.0 * (variances[c] / n).sqrt(), "coordinate {c}: mean off by {mean}");
        assert!((variance / variances[c] - 1.0).abs() <= 6.0 * (2.0 / n).sqrt(), "coordinate {c}: variance {variance}");
    }
}

fn law(scheme: Scheme) -> Vec<f64> {
    start(&scheme, K, &teacher(), 1, 0).unwrap()
}

#[test]
fn normal_schemes_have_their_moments() {
    let centre = [11.5, -5.0, 0.0];
    let r2 = (0.25 * 1.5 * 1.5 + 0.75 * 0.5 * 0.5) / 3.0; // mean squared distance from the centroid, per coordinate
    assert_law(&law(Scheme::Wide { scale: 2.0 }), centre, [4.0 * r2; 3]);
    assert_law(&law(Scheme::Gaussian { scale: 3.0 }), centre, [9.0; 3]);
    assert_law(&law(Scheme::Outlier { scale: 2.0, distance: 7.0 })[..3 * (K - 1)], centre, [4.0; 3]);
    assert_law(&law(Scheme::Point { at: vec![6.0, 0.0, 1.0], jitter: 1e-3 }), [6.0, 0.0, 1.0], [1e-6; 3]);
    assert_law(&law(Scheme::Point { at: vec![], jitter: 1e-3 }), centre, [1e-6; 3]);
    // A mixture's variance is the variance within components plus that between them, 0.25 + 0.25·0.75·2² on the first coordinate.
    assert_law(&law(Scheme::TeacherDraws {}), centre, [1.0, 0.25, 0.25]);
    let around = law(Scheme::AroundTeacher { scale: 0.5 });
    let rows: Vec<[f64; 3]> = around.as_chunks::<3>().0.to_vec();
    assert_law(&rows.iter().step_by(2).flatten().copied().collect::<Vec<_>>(), [10.0, -5.0, 0.0], [0.25; 3]);
    assert_law(&rows.iter().skip(1).step_by(2).flatten().copied().collect::<Vec<_>>(), [12.0, -5.0, 0.0], [0.25; 3]);
    // Directions on a sphere: a third of the squared radius per coordinate (their fourth moment is below a normal's).
    assert_law(&law(Scheme::Shell { radius: 1.5 }), centre, [2.25 * r2 / 3.0; 3]);
}

#[test]
#[should_panic(expected = "variance")]
fn a_wrong_scale_would_be_noticed() {
    assert_law(&law(Scheme::Gaussian { scale: 3.2 }), [11.5, -5.0, 0.0], [9.0; 3]);
}

#[test]
fn geometric_schemes_have_their_shapes() {
    let centre = [11.5, -5.0, 0.0];
    let distance = |mean: &[f64]| squared_distance(mean, &centre).sqrt();
    let shell = law(Scheme::Shell { radius: 1.5 });
    let expected = 1.5 * teacher().rms_radius();
    for mean in shell.chunks_exact(3) {
        assert!((distance(mean) - expected).abs() <= 1e-13 * 15.0, "{}", distance(mean)); // the rounding of a number as large as the centre
    }
    let outlier = law(Scheme::Outlier { scale: 1.0, distance: 100.0 });
    assert!((distance(&outlier[3 * (K - 1)..]) - 100.0).abs() <= 1e-11);
    let coincident = law(Scheme::Coincident { scale: 5.0 });
    assert!(coincident.chunks_exact(3).all(|mean| mean == &coincident[..3]) && distance(&coincident[..3]) > 0.0);
    // On a line through c: cross products with the first direction vanish; the squares along it average to scale².
    let collinear = law(Scheme::Collinear { scale: 5.0 });
    let offsets: Vec<[f64; 3]> = collinear.chunks_exact(3).map(|m| [m[0] - centre[0], m[1] - centre[1], m[2] - centre[2]]).collect();
    let a = offsets[0];
    for b in &offsets {
        let cross = [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
        assert!(cross.iter().all(|x| x.abs() <= 1e-12 * 600.0), "{cross:?}"); // products of offsets up to some 20 each
    }
    let square = offsets.iter().flatten().map(|x| x * x).sum::<f64>() / K as f64;
    assert!((square / 25.0 - 1.0).abs() <= 6.0 * (2.0 / K as f64).sqrt(), "{square}");
}

#[test]
fn one_gaussian_has_its_sigma_for_a_radius() {
    let one = GaussianMixture::new(vec![1.0], vec![11.5, -5.0, 0.0], 3, 4.0).unwrap();
    assert_law(&start(&Scheme::Wide { scale: 1.5 }, K, &one, 2, 0).unwrap(), [11.5, -5.0, 0.0], [9.0; 3]);
}

#[test]
fn draws_depend_on_seed_replicate_and_component_only() {
    for scheme in all() {
        let draw = |k, seed, replicate| start(&scheme, k, &teacher(), seed, replicate).unwrap();
        let bits = |means: &[f64]| means.iter().map(|m| m.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&draw(6, 5, 3)), bits(&draw(6, 5, 3)), "{scheme:?}");
        assert_ne!(bits(&draw(6, 5, 3)), bits(&draw(6, 5, 4)), "{scheme:?}: replicates");
        assert_ne!(bits(&draw(6, 5, 3)), bits(&draw(6, 6, 3)), "{scheme:?}: seeds");
        assert_eq!(bits(&draw(6, 5, 3)[..15]), bits(&draw(9, 5, 3)[..15]), "{scheme:?}: fewer components");
    }
}

#[test]
fn configs_name_them() {
    let read = |text: &str| toml::from_str::<Scheme>(text);
    for scheme in all() {
        assert_eq!(read(&toml::to_string(&scheme).unwrap()).unwrap(), scheme);
    }
    for name in ["wide", "gaussian", "shell", "teacher-draws", "around-teacher", "collinear", "coincident", "outlier", "point"] {
        let scheme = read(&format!("scheme = \"{name}\"")).unwrap();
        assert_eq!(start(&scheme, 4, &teacher(), 0, 0).unwrap().len(), 12, "{name}");
    }
    assert_eq!(read("scheme = \"wide\"").unwrap(), Scheme::default());
    assert!(read("scheme = \"wide\"\nscael = 2.0").is_err());
    assert!(read("scheme = \"teacher-draws\"\nscale = 2.0").is_err());
}

#[test]
fn impossible_numbers_are_refused() {
    let refused = [
        (Scheme::Wide { scale: f64::NAN }, 4),
        (Scheme::Gaussian { scale: -1.0 }, 4),
        (Scheme::Gaussian { scale: f64::MAX }, 400),
        (Scheme::Shell { radius: f64::INFINITY }, 4),
        (Scheme::Outlier { scale: 1.0, distance: f64::NAN }, 4),
        (Scheme::Point { at: vec![1.0], jitter: 0.0 }, 4),
        (Scheme::Point { at: vec![1.0, f64::NAN, 0.0], jitter: 0.0 }, 4),
        (Scheme::TeacherDraws {}, 0),
        (Scheme::TeacherDraws {}, 1 << 32),
        (Scheme::TeacherDraws {}, usize::MAX),
    ];
    for (scheme, k) in refused {
        assert!(matches!(start(&scheme, k, &teacher(), 0, 0), Err(crate::Error::BadInput { .. })), "{scheme:?}, {k}");
    }
}
