//! Mixtures with covariances of any kind through the verbs that take them, and what the others say of them.

use mixscore::mixture::files::{read_npy, read_npz, write_any_mixture};
use mixscore::mixture::{Covariance, Mixture};

use super::{Place, array};

/// Two components in the plane with covariances of their own, and another pair.
fn place() -> (Place, Mixture) {
    let place = Place::new();
    let full =
        |factors: [[f64; 3]; 2]| Covariance::Full(factors.iter().flat_map(|[a, b, c]| [a * a, a * b, a * b, b * b + c * c]).collect());
    let make = |w: [f64; 2], means: [f64; 4], covariance| Mixture::new(w.to_vec(), means.to_vec(), 2, covariance).unwrap();
    let p = make([0.5, 0.5], [-1.0, 0.0, 1.0, 0.5], full([[1.0, 0.5, 0.8], [0.7, -0.4, 1.1]]));
    let q = make([0.3, 0.7], [0.0, -0.5, 0.5, 1.0], full([[0.9, 0.3, 1.2], [1.3, -0.6, 0.7]]));
    write_any_mixture(&place.path("p.npz"), &p).unwrap();
    write_any_mixture(&place.path("q.json"), &q).unwrap();
    place.mixture("common.npz", &[0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], 2, 1.0);
    (place, p)
}

#[test]
fn points_have_the_moments_of_their_components() {
    let (place, p) = place();
    let n = 100_000;
    let told = place.json(&format!("sample --mixture p.npz --count {n} --output x.npy --labels l.npy"), "mixscore.sample/1");
    assert_eq!((told["covariance_type"].as_str(), told["labels"].as_str()), (Some("full"), Some("l.npy")));
    let (x, labels) = (read_npy(&place.path("x.npy")).unwrap().values, read_npy(&place.path("l.npy")).unwrap().values);
    for i in 0..2 {
        let own: Vec<&[f64]> = x.chunks_exact(2).zip(&labels).filter(|(_, l)| **l == i as f64).map(|(x, _)| x).collect();
        let m = own.len() as f64;
        assert!((m / n as f64 - 0.5).abs() <= 4.5 * (0.25 / n as f64).sqrt());
        let mean: Vec<f64> = (0..2).map(|c| own.iter().map(|x| x[c]).sum::<f64>() / m).collect();
        let sigma = p.covariance().matrix(i, 2);
        for a in 0..2 {
            assert!((mean[a] - p.mean(i)[a]).abs() <= 4.5 * (sigma[3 * a] / m).sqrt());
            for b in 0..2 {
                let found = own.iter().map(|x| (x[a] - mean[a]) * (x[b] - mean[b])).sum::<f64>() / m;
                let error = ((sigma[3 * a] * sigma[3 * b] + sigma[2 * a + b].powi(2)) / m).sqrt();
                assert!((found - sigma[2 * a + b]).abs() <= 4.5 * error, "component {i}, [{a}, {b}]: {found} for {sigma:?}");
            }
        }
    }
    place.json("sample --mixture p.npz --count 50 --output few.npy --labels few-l.npy", "mixscore.sample/1");
    assert_eq!(read_npy(&place.path("few.npy")).unwrap().values, x[..100], "fewer points are the first of more");
    assert_eq!(read_npy(&place.path("few-l.npy")).unwrap().values, labels[..50]);
}

#[test]
fn scores_are_derivatives_on_either_device() {
    let (place, _) = place();
    place.points("x.npy", 2, &[0.3, -0.2, 0.301, -0.2, 0.299, -0.2, -7.0, 12.0]);
    for device in ["cpu", "reference", "auto"] {
        let told = place.json(
            &format!("score --mixture p.npz --points x.npy --output o.npz --dtype f64 --responsibilities --device {device}"),
            "mixscore.score/1",
        );
        assert_eq!(told["covariance_type"], "full");
        let arrays = read_npz(&place.path("o.npz")).unwrap();
        let (density, score, r) =
            (&array(&arrays, "log_density").values, &array(&arrays, "score").values, &array(&arrays, "responsibilities"));
        assert!((score[0] - (density[1] - density[2]) / 0.002).abs() <= 1e-4 && r.shape == [4, 2], "{device}");
        assert!(r.values.chunks_exact(2).all(|r| (r[0] + r[1] - 1.0).abs() <= 1e-6));
    }
}

#[test]
fn evaluate_knows_the_divergences_and_noise() {
    let (place, _) = place();
    let told = place.json("evaluate --student p.npz --teacher q.json", "mixscore.evaluate/1");
    let exact = [
        ("reverse_fisher", 1.344132943707),
        ("forward_fisher", 1.976625383623),
        ("kl_student_teacher", 0.583170133532),
        ("kl_teacher_student", 0.646677451543),
    ];
    assert_eq!(told["sampler"], "grid");
    for (name, value) in exact {
        assert!((told[name]["value"].as_f64().unwrap() - value).abs() <= 1e-10, "{name}: {}", told[name]);
    }
    let drawn = place.json("evaluate --student p.npz --teacher q.json --sampler philox --seed 5", "mixscore.evaluate/1");
    for (name, value) in exact {
        let (got, error) = (drawn[name]["value"].as_f64().unwrap(), drawn[name]["standard_error"].as_f64().unwrap());
        assert!((got - value).abs() <= 4.5 * error && error <= 0.05 * value, "{name}: {}", drawn[name]);
    }
    // Two common variances that differ are no longer refused: KL of N(0,1) and N(0,4) in one dimension.
    place.mixture("narrow.npz", &[1.0], &[0.0], 1, 1.0);
    place.mixture("wide.npz", &[1.0], &[0.0], 1, 4.0);
    let kl = |noise: f64| {
        let told = place.json(&format!("evaluate --student narrow.npz --teacher wide.npz --noise {noise}"), "mixscore.evaluate/1");
        told["kl_student_teacher"]["value"].as_f64().unwrap()
    };
    for (noise, ratio) in [(0.0, 0.25f64), (2.0, 0.5)] {
        assert!((kl(noise) - 0.5 * (ratio - 1.0 - ratio.ln())).abs() <= 1e-10);
    }
}

#[test]
fn gradients_are_by_all_parameters() {
    let (place, _) = place();
    let line = "gradient --student p.npz --teacher q.json --output g.npz";
    let told = place.json(&format!("{line} --sampler grid"), "mixscore.gradient/1");
    assert_eq!((told["covariance_type"].as_str(), told["sampler"].as_str()), (Some("full"), Some("grid")));
    let exact = read_npz(&place.path("g.npz")).unwrap();
    assert!((array(&exact, "gradient").values[0] + 1.099382569160).abs() <= 1e-10);
    assert!((array(&exact, "gradient_covariances").values[3] + 0.823997235484).abs() <= 1e-10);
    assert!((array(&exact, "gradient_logits").values[0] - 0.281845403977).abs() <= 1e-10);
    assert_eq!(array(&exact, "gradient_covariances_standard_error").shape, [2, 2, 2]);
    place.json(&format!("{line} --samples 4096 --seed 2"), "mixscore.gradient/1");
    let drawn = read_npz(&place.path("g.npz")).unwrap();
    for (name, of_error) in [
        ("gradient", "standard_error"),
        ("gradient_covariances", "gradient_covariances_standard_error"),
        ("gradient_logits", "gradient_logits_standard_error"),
    ] {
        let (got, want, errors) = (array(&drawn, name), array(&exact, name), array(&drawn, of_error));
        for ((got, want), error) in got.values.iter().zip(&want.values).zip(&errors.values) {
            assert!((got - want).abs() <= 5.0 * error && *error > 0.0, "{name}: {got} for {want} ± {error}");
        }
    }
    // Of a common variance: the Kullback–Leibler divergence, which the devices' own way does not have.
    place.json(
        "gradient --student common.npz --teacher common.npz --divergence forward-kl --samples 64 --output g.npz",
        "mixscore.gradient/1",
    );
    let equal = read_npz(&place.path("g.npz")).unwrap();
    assert!(array(&equal, "gradient_covariances").shape.is_empty() && array(&equal, "divergence").values == [0.0]);
}

#[test]
fn what_does_not_take_them_says_what_does() {
    let (place, _) = place();
    std::fs::write(place.path("c.toml"), "[teacher]\nfile = \"p.npz\"\n[student]\ncomponents = 3\n").unwrap();
    place.points("x.npy", 2, &[0.0, 1.0]);
    for (line, code, words) in [
        ("run c.toml --output r", 4, "has full covariances"),
        ("gradient --student p.npz --teacher q.json --samples 64 --output g.npz --device software", 2, "on the host"),
        ("gradient --student p.npz --teacher q.json --samples 64 --output g.npz --estimator pathwise", 2, "--estimator goes with"),
        ("gradient --student p.npz --teacher q.json --output g.npz", 2, "--samples is missing"),
        ("evaluate --student p.npz --teacher q.json --annealed", 2, "one common variance"),
        ("evaluate --student p.npz --teacher q.json --noise -1", 4, "0 or more"),
        ("score --mixture p.npz --points x.npy --output o.npz --device software", 5, "one common variance"),
        ("sample --mixture p.npz --count 3 --output x2.npy --labels ./x2.npy", 2, "one file"),
        ("sample --mixture p.npz --count 3 --output x2.npy --labels l.npz", 2, "--labels l.npz does not end in .npy"),
    ] {
        let output = place.run(line);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && text.contains(words), "{line}: {:?}, {text}", output.status.code());
    }
    assert!(!place.path("x2.npy").exists() && !place.path("r").exists());
}
