//! Covariances of every kind in files of every format; forged ones are refused for the right reason.

use mixscore::mixture::files::{read_any_mixture, read_mixture, read_variance, write_any_mixture};
use mixscore::mixture::{Covariance, CovarianceKind, Mixture};

use crate::forge::{Entry, doubles, npy, stored, zip};
use crate::hostile::Folder;
use crate::watch::assert_refused;

/// Three components in two dimensions.
fn mixtures() -> Vec<Mixture> {
    let full: Vec<f64> = (0..3).flat_map(|i| [2.0 + f64::from(i), 0.3, 0.3, 0.5]).collect();
    let covariances = [
        Covariance::Common(0.1),
        Covariance::Spherical(vec![0.1, 2.0, 1.0 / 3.0]),
        Covariance::Diagonal(vec![0.1, 2.0, 1.0 / 3.0, 4.0, 5.0, 6.0]),
        Covariance::Tied(full[..4].to_vec()),
        Covariance::Full(full),
    ];
    let make = |c| Mixture::new(vec![0.2, 0.3, 0.5], vec![0.1, 1.0, 2.0, 3.0, -1.0, -2.0], 2, c).unwrap();
    covariances.into_iter().map(make).collect()
}

#[test]
fn what_is_written_is_read() {
    let folder = Folder::new();
    for mixture in mixtures() {
        for name in ["a.npz", "a.safetensors", "a.json"] {
            let path = folder.file(name, "");
            write_any_mixture(&path, &mixture).unwrap();
            assert_eq!(read_any_mixture(&path).unwrap(), mixture, "{name}");
            match mixture.common() {
                Some(common) => assert_eq!(read_mixture(&path).unwrap(), common),
                None => {
                    let reason = format!("has {} covariances, and here", mixture.covariance_kind());
                    assert_refused(&path, &reason, read_mixture);
                    assert_refused(&path, "`covariances`, and only one common `variance` is read here", read_variance);
                }
            }
        }
    }
}

/// NumPy's word in an archive: `<U4` in either endianness, or `|S4`.
fn word(text: &str, form: &str) -> Vec<u8> {
    let n = text.len();
    let header = |descr: String| format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': (), }}");
    match form {
        "<U" => npy(&header(format!("<U{n}")), &text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<u8>>()),
        ">U" => npy(&header(format!(">U{n}")), &text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect::<Vec<u8>>()),
        _ => npy(&header(format!("|S{n}")), text.as_bytes()),
    }
}

fn archive(means: (&str, &[f64]), covariances: (&str, &[f64]), others: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut entries: Vec<Entry> =
        vec![stored("means.npy", &doubles(means.0, means.1)), stored("covariances.npy", &doubles(covariances.0, covariances.1))];
    entries.extend(others.iter().map(|(name, bytes)| stored(&format!("{name}.npy"), bytes)));
    zip(&entries)
}

const TWO: (&str, &[f64]) = ("(2, 2)", &[0.0, 0.0, 3.0, 3.0]);

#[test]
fn shapes_and_words_tell_the_kind() {
    let folder = Folder::new();
    let kind = |bytes: Vec<u8>| read_any_mixture(&folder.file("a.npz", bytes)).unwrap().covariance_kind();
    let square: (&str, &[f64]) = ("(2, 2)", &[2.0, 0.5, 0.5, 1.0]);
    for form in ["<U", ">U", "|S"] {
        assert_eq!(kind(archive(TWO, square, &[("covariance_type", word("tied", form))])), CovarianceKind::Tied, "{form}");
        assert_eq!(kind(archive(TWO, square, &[("covariance_type", word("diag", form))])), CovarianceKind::Diagonal, "{form}");
    }
    assert_eq!(kind(archive(TWO, ("(2,)", &[1.0, 2.0]), &[])), CovarianceKind::Spherical);
    assert_eq!(kind(archive(TWO, ("(2, 2, 2)", &[1.0, 0.0, 0.0, 1.0, 2.0, 0.5, 0.5, 1.0]), &[])), CovarianceKind::Full);
    let three: (&str, &[f64]) = ("(3, 2)", &[0.0, 0.0, 3.0, 3.0, 6.0, 6.0]);
    assert_eq!(kind(archive(three, ("(3, 2)", &[1.0; 6]), &[])), CovarianceKind::Diagonal);
    assert_eq!(kind(archive(three, square, &[])), CovarianceKind::Tied);
    // scikit-learn's other arrays are no second statement.
    assert_eq!(kind(archive(three, square, &[("precisions_cholesky_", doubles("(2, 2)", &[1.0; 4]))])), CovarianceKind::Tied);
}

/// What has no weight has no covariance either.
#[test]
fn components_without_weight_take_their_covariances_along() {
    let folder = Folder::new();
    let three: (&str, &[f64]) = ("(3, 1)", &[0.0, 1.0, 2.0]);
    let weights = ("weights", doubles("(3,)", &[0.5, 0.0, 0.5]));
    for (shape, name) in [("(3,)", "spherical"), ("(3, 1)", "diag"), ("(3, 1, 1)", "full")] {
        let path = folder.file("a.npz", archive(three, (shape, &[1.0, 2.0, 3.0]), std::slice::from_ref(&weights)));
        let read = read_any_mixture(&path).unwrap();
        assert_eq!((read.covariance_kind().name(), read.covariance().values()), (name, &[1.0, 3.0][..]));
    }
}

#[test]
fn forged_covariances_are_refused() {
    let folder = Folder::new();
    let square: (&str, &[f64]) = ("(2, 2)", &[2.0, 0.5, 0.5, 1.0]);
    let text = |n: usize, bytes: usize| npy(&format!("{{'descr': '<U{n}', 'fortran_order': False, 'shape': (), }}"), &vec![0; bytes]);
    let said = |bytes: Vec<u8>| [("covariance_type", bytes)];
    let cases = [
        (archive(TWO, square, &[]), "are diag ones or a tied one"),
        (archive(TWO, ("(3,)", &[1.0; 3]), &[]), "covariances have shape [3] beside means of shape [2, 2]"),
        (archive(TWO, ("()", &[1.0]), &said(word("full", "<U"))), "full covariances have shape []"),
        (archive(TWO, ("(2, 1)", &[1.0; 2]), &said(word("diag", "<U"))), "diag covariances have shape [2, 1]"),
        (archive(TWO, square, &said(word("round", "<U"))), "covariance_type is `round`"),
        (archive(TWO, square, &said(word("", "<U"))), "covariance_type is ``"),
        (archive(TWO, square, &said(text(2, 7))), "needs 8 bytes, but 7 follow"),
        (archive(TWO, square, &said(text(1_000_000_000, 8))), "holds no word"),
        (archive(TWO, square, &said(npy("{'descr': '<U4', 'fortran_order': False, 'shape': (2,), }", &[0; 32]))), "holds no word"),
        (archive(TWO, square, &said(npy("{'descr': '|O', 'fortran_order': False, 'shape': (), }", &[0; 8]))), "holds no word"),
        (archive(TWO, square, &said(text(1, 4).iter().map(|b| if *b == 0 { 0xff } else { *b }).collect())), "header"),
        (archive(TWO, square, &[("variance", doubles("()", &[1.0]))]), "`covariances` and `variance`, and both cannot be meant"),
        (archive(TWO, square, &[("covariance", doubles("()", &[1.0]))]), "`covariance` and `covariances`, and only `covariances` is read"),
        (archive(TWO, ("(2,)", &[1.0, 0.0]), &[]), "covariances[1] is 0"),
        (archive(TWO, ("(2,)", &[1.0, f64::INFINITY]), &[]), "covariances[1] is inf"),
        (archive(TWO, ("(2, 2)", &[1.0, 2.0, 2.0, 1.0]), &said(word("tied", "<U"))), "its smallest eigenvalue is -1.000e0"),
        (archive(TWO, ("(2, 2)", &[1.0, 0.5, 0.0, 1.0]), &said(word("tied", "<U"))), "not symmetric"),
    ];
    for (bytes, reason) in cases {
        assert_refused(&folder.file("a.npz", bytes), reason, read_any_mixture);
    }
    let json = |text: &str| folder.file("a.json", text);
    assert_refused(&json(r#"{"means": [[0, 0]], "covariances": [[1, 0]], "covariance_type": 3}"#), "invalid type", read_any_mixture);
    assert_refused(
        &json(r#"{"means": [[0, 0]], "covariances": [[[1, 0], [0, -1]]]}"#),
        "covariances[0] is not positive definite",
        read_any_mixture,
    );
    for word in ["full", "banana"] {
        let alone = json(&format!(r#"{{"means": [[0, 0]], "covariance_type": "{word}"}}"#));
        assert_refused(&alone, &format!("covariance_type is `{word}`, and there is no array `covariances`"), read_any_mixture);
    }
    assert_refused(&json(r#"{"means": [[0, 0]], "covariances": [[1, 1]]}"#), "has diag covariances", read_mixture);
}
