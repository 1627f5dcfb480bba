use super::*;

fn mixture(covariance: Covariance) -> Result<Mixture> {
    Mixture::new(vec![0.4, 0.6], vec![0.0, 1.0, 2.0, -1.0], 2, covariance)
}

#[test]
fn factors_give_back_their_covariances() {
    let full = vec![2.0, 0.6, 0.6, 0.5, 1.5, -1.2, -1.2, 3.0];
    let kinds = [
        Covariance::Common(2.0),
        Covariance::Spherical(vec![0.5, 3.0]),
        Covariance::Diagonal(vec![0.5, 3.0, 1.0, 2.0]),
        Covariance::Tied(full[..4].to_vec()),
        Covariance::Full(full),
    ];
    for covariance in kinds {
        let m = mixture(covariance.clone()).unwrap();
        for i in 0..2 {
            let sigma = covariance.matrix(i, 2);
            // L times unit vectors are the columns of L; their products Σ.
            let column = |b: usize| -> Vec<f64> {
                let unit: Vec<f64> = (0..2).map(|c| f64::from(u8::from(b == c))).collect();
                (0..2).map(|a| m.factor(i).coloured(&unit, a)).collect()
            };
            let (first, second) = (column(0), column(1));
            for (a, b) in [(0, 0), (0, 1), (1, 1)] {
                assert!((first[a] * first[b] + second[a] * second[b] - sigma[a * 2 + b]).abs() <= 1e-15 * 3.0, "{covariance:?}");
            }
            // Σ·(Rᵀ(R e)) = e.
            let (e, mut w, mut u) = ([0.3, -1.7], [0.0; 2], [0.0; 2]);
            m.factor(i).whiten(&e, &mut w);
            m.factor(i).whiten_transposed(&w, &mut u);
            for a in 0..2 {
                assert!((sigma[a * 2] * u[0] + sigma[a * 2 + 1] * u[1] - e[a]).abs() <= 1e-14, "{covariance:?}");
            }
            let determinant = sigma[0] * sigma[3] - sigma[1] * sigma[2];
            assert!((m.factor(i).half_log_determinant(2) - 0.5 * determinant.ln()).abs() <= 1e-14);
        }
    }
}

#[test]
fn simpler_forms_are_contained_in_more_general_ones() {
    let spherical = mixture(Covariance::Spherical(vec![0.5, 3.0])).unwrap();
    for kind in [CovarianceKind::Spherical, CovarianceKind::Diagonal, CovarianceKind::Full] {
        let wide = spherical.widened(kind).unwrap();
        assert_eq!(wide.covariance_kind(), kind);
        assert!((0..2).all(|i| wide.covariance().matrix(i, 2) == spherical.covariance().matrix(i, 2)));
    }
    assert!(spherical.widened(CovarianceKind::Tied).is_err() && spherical.widened(CovarianceKind::Common).is_err());
    let common = mixture(Covariance::Common(2.0)).unwrap();
    assert!(CovarianceKind::ALL.iter().all(|kind| common.widened(*kind).is_ok()));
    assert_eq!(common.common().unwrap().variance(), 2.0);
    assert!(spherical.common().is_none());
}

#[test]
fn what_is_no_covariance_is_refused_for_the_right_reason() {
    let cases = [
        (Covariance::Common(0.0), "variance is 0"),
        (Covariance::Spherical(vec![1.0]), "1 numbers are no spherical covariances of 2 components"),
        (Covariance::Spherical(vec![1.0, -1.0]), "covariances[1] is -1"),
        (Covariance::Diagonal(vec![1.0, 1.0, 0.0, 1.0]), "covariances[1, 0] is 0"),
        (Covariance::Tied(vec![1.0, f64::NAN, 0.0, 1.0]), "covariances[0, 1] is NaN"),
        (Covariance::Tied(vec![1.0, 0.5, 0.0, 1.0]), "is not symmetric: [1, 0] is 0 and [0, 1] is 0.5"),
        (
            Covariance::Full(vec![1.0, 0.0, 0.0, 1.0, 1.0, 2.0, 2.0, 1.0]),
            "covariances[1] is not positive definite: its smallest eigenvalue is -1",
        ),
        (Covariance::Full(vec![1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0]), "covariances[1] is not positive definite"),
        (
            Covariance::Full(vec![1.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0, 1.0]),
            "covariances[0] is not positive definite: its smallest eigenvalue is -1",
        ),
    ];
    for (covariance, reason) in cases {
        let message = mixture(covariance).unwrap_err().to_string();
        assert!(message.contains(reason), "{message} for {reason}");
    }
    // What single precision rounds is mended.
    let rounded = mixture(Covariance::Tied(vec![1.0, 0.3, f64::from(0.3f32), 1.0])).unwrap();
    let matrix = rounded.covariance().values();
    assert!(matrix[1] == matrix[2]);
}

/// What a refusal advises is accepted.
#[test]
fn the_advice_for_matrices_leads_out() {
    for matrix in [[1.0, 2.0, 2.0, 1.0], [-1.0, 0.0, 0.0, -1.0], [1.0, 1.0, 1.0, 1.0], [1e-9, 2e-9, 2e-9, 1e-9], [1e8, 0.0, 0.0, -3.0]] {
        let refused = |matrix: [f64; 4]| mixture(Covariance::Tied(matrix.to_vec())).unwrap_err().to_string();
        let text = refused(matrix);
        let ridge: f64 = text.split("Add ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a figure").parse().unwrap();
        let mended = [matrix[0] + ridge, matrix[1], matrix[2], matrix[3] + ridge];
        assert!(mixture(Covariance::Tied(mended.to_vec())).is_ok(), "{text}");
    }
    // Large and small units: what is not symmetric is refused, what single precision rounds is not.
    let of = |unit: f64, above: f64| mixture(Covariance::Tied(vec![unit, 0.3 * unit, above * unit, unit]));
    for unit in [1e160, 1e-170] {
        assert!(of(unit, 0.5).is_err() && of(unit, f64::from(0.3f32)).is_ok(), "{unit}");
    }
}
