//! Mixtures and points in forms that users have: other types, sums of weights, other names, archives.

use mixscore::GaussianMixture;
use mixscore::mixture::files::{Numbers, Values, read_mixture, read_mixture_with_notes, read_points, read_stored_points, write_npz};

use crate::forge::{npy, stored, zip};
use crate::hostile::Folder;

fn typed(descr: &str, shape: &str, bytes: &[u8]) -> Vec<u8> {
    npy(&format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"), bytes)
}

#[test]
fn numbers_of_any_plain_type_are_read() {
    let folder = Folder::new();
    let bytes = |values: [f64; 2], to: fn(f64) -> Vec<u8>| values.into_iter().flat_map(to).collect::<Vec<u8>>();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (">f8", bytes([3.0, 7.0], |v| v.to_be_bytes().to_vec())),
        (">f4", bytes([3.0, 7.0], |v| (v as f32).to_be_bytes().to_vec())),
        ("<i2", bytes([3.0, 7.0], |v| (v as i16).to_le_bytes().to_vec())),
        (">i2", bytes([3.0, 7.0], |v| (v as i16).to_be_bytes().to_vec())),
        ("<u2", bytes([3.0, 7.0], |v| (v as u16).to_le_bytes().to_vec())),
        ("|i1", bytes([3.0, 7.0], |v| vec![v as u8])),
        ("|u1", bytes([3.0, 7.0], |v| vec![v as u8])),
        (">u8", bytes([3.0, 7.0], |v| (v as u64).to_be_bytes().to_vec())),
        (">i4", bytes([3.0, 7.0], |v| (v as i32).to_be_bytes().to_vec())),
    ];
    for (descr, bytes) in cases {
        let path = folder.file("x.npy", typed(descr, "(1, 2)", &bytes));
        assert_eq!(read_points(&path).unwrap().values, [3.0, 7.0], "{descr}");
    }
    let negative = folder.file("x.npy", typed("|i1", "(1, 1)", &[0xfe]));
    assert_eq!(read_points(&negative).unwrap().values, [-2.0]);
    assert_eq!(read_points(&crate::numpy("big_endian.npy")).unwrap().shape.len(), 2);
}

#[test]
fn points_stay_in_the_precision_of_their_file() {
    let folder = Folder::new();
    let single: Vec<u8> = [0.1f32, 0.2].iter().flat_map(|v| v.to_le_bytes()).collect();
    let points = read_stored_points(&folder.file("x.npy", typed("<f4", "(2, 1)", &single))).unwrap();
    assert_eq!(points.numbers, Numbers::F32(vec![0.1, 0.2]));
    let points = read_stored_points(&folder.file("x.npz", zip(&[stored("whatever.npy", &typed("<f4", "(1, 2)", &single))]))).unwrap();
    assert_eq!((points.n, points.d, points.numbers), (1, 2, Numbers::F32(vec![0.1, 0.2])));
}

#[test]
fn points_of_an_archive_are_those_of_its_name_or_its_only_array() {
    let folder = Folder::new();
    let path = folder.file("x.npz", "");
    let write = |arrays: &[(&str, f64)]| {
        let values: Vec<[f64; 1]> = arrays.iter().map(|(_, v)| [*v]).collect();
        let arrays: Vec<_> = arrays.iter().zip(&values).map(|((name, _), v)| (*name, &[1usize, 1][..], Values::F64(v))).collect();
        write_npz(&path, &arrays).unwrap();
        read_points(&path).map(|points| points.values).map_err(|error| error.to_string())
    };
    assert_eq!(write(&[("anything", 1.0)]).unwrap(), [1.0]);
    assert_eq!(write(&[("labels", 1.0), ("points", 2.0)]).unwrap(), [2.0]);
    assert_eq!(write(&[("arr_0", 3.0), ("arr_1", 2.0)]).unwrap(), [3.0]);
    assert!(write(&[("a", 3.0), ("b", 2.0)]).unwrap_err().contains("holds the arrays a, b"));
    assert!(write(&[("means", 3.0), ("x", 2.0)]).unwrap_err().contains("none is known to be the points"));
}

#[test]
fn weights_within_what_their_type_can_say_are_divided_by_their_sum() {
    let folder = Folder::new();
    let weights =
        |text: &str| read_mixture_with_notes(&folder.file("m.json", format!(r#"{{"means": [[0], [3], [6]], "weights": {text}}}"#)));
    for text in ["[0.333333, 0.333333, 0.333333]", "[0.3333333, 0.3333333, 0.3333334]", "[0.5, 0.25, 0.25]"] {
        let (mixture, notes) = weights(text).unwrap();
        assert!((mixture.weights().iter().sum::<f64>() - 1.0).abs() <= 1e-15 && notes.is_empty(), "{text}: {notes:?}");
    }
    for text in ["[0.33333, 0.33333, 0.33333]", "[2, 3, 5]", "[0.5, 0.5, -0.1]", "[0, 0, 0]"] {
        weights(text).unwrap_err();
    }
    let third = half::f16::from_f64(1.0 / 3.0);
    let means = typed("<f8", "(3, 1)", &[0.0f64, 3.0, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    let halves = typed("<f2", "(3,)", &[third; 3].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    let (mixture, notes) =
        read_mixture_with_notes(&folder.file("m.npz", zip(&[stored("means.npy", &means), stored("weights.npy", &halves)]))).unwrap();
    assert_eq!(mixture, GaussianMixture::uniform(vec![0.0, 3.0, 6.0], 1).unwrap());
    assert!(notes.len() == 1 && notes[0].contains("0.99975"), "{notes:?}");
    // A plain sum of 20 000 weights in single precision.
    let k = 20_000;
    let raw: Vec<f32> = (0..k).map(|i| (0.5 + (i as f32 * 0.618).fract()).exp()).collect();
    let sum = raw.iter().fold(0f32, |sum, v| sum + v);
    let single: Vec<f32> = raw.iter().map(|v| v / sum).collect();
    let means: Vec<f64> = (0..k).map(f64::from).collect();
    let path = folder.file("m.npz", "");
    write_npz(&path, &[("means", &[k as usize, 1], Values::F64(&means)), ("weights", &[k as usize], Values::F32(&single))]).unwrap();
    assert_eq!(read_mixture(&path).unwrap().n_components(), k as usize);
}

#[test]
fn components_of_weight_zero_are_left_out_and_said() {
    let folder = Folder::new();
    let (mixture, notes) =
        read_mixture_with_notes(&folder.file("m.json", r#"{"means": [[0, 1], [3, 4], [6, 7]], "weights": [0.5, 0, 0.5]}"#)).unwrap();
    assert_eq!(mixture, GaussianMixture::uniform(vec![0.0, 1.0, 6.0, 7.0], 2).unwrap());
    assert!(notes.len() == 1 && notes[0].contains("1 of 3 components have weight 0"), "{notes:?}");
}

#[test]
fn parts_under_other_names_are_never_passed_over() {
    let folder = Folder::new();
    let path = folder.file("m.npz", "");
    let means = ("means", &[2usize, 1][..], Values::F64(&[0.0, 6.0]));
    for name in ["covs", "sigmas", "Variance", "std_dev", "scale_tril", "precisions_cholesky", "logvar", "log_std", "tau", "bandwidth"] {
        write_npz(&path, &[means, ("weights", &[2], Values::F64(&[0.3, 0.7])), (name, &[2], Values::F64(&[4.0, 4.0]))]).unwrap();
        let error = read_mixture(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")) && error.contains("under the name `variance`"), "{error}");
    }
    for name in ["logits", "weights_", "priors", "mixing_coefficients", "alphas", "component_weights", "Weights", "log_weights", "p", "ws"]
    {
        write_npz(&path, &[means, (name, &[2], Values::F64(&[0.3, 0.7])), ("variance", &[], Values::F64(&[4.0]))]).unwrap();
        let error = read_mixture(&path).unwrap_err().to_string();
        assert!(error.contains(&format!("`{name}`")) && error.contains("under the name `weights`"), "{error}");
    }
    let both = ("covariances", &[2usize][..], Values::F64(&[4.0, 4.0]));
    write_npz(&path, &[means, ("variance", &[], Values::F64(&[4.0])), both]).unwrap();
    assert!(read_mixture(&path).unwrap_err().to_string().contains("`covariances` and `variance`, and both cannot be meant"));
    for name in ["labels", "step", "converged_", "n_iter_"] {
        write_npz(&path, &[means, (name, &[2], Values::F64(&[0.0, 1.0]))]).unwrap();
        read_mixture(&path).unwrap();
    }
}

#[test]
fn means_of_one_mixture_in_a_row_and_what_a_mac_adds() {
    let folder = Folder::new();
    let means = |shape: &str| typed("<f8", shape, &[0.0f64, 6.0].iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>());
    let one = zip(&[stored("means.npy", &means("(1, 2, 1)")), stored("__MACOSX/._means.npy", b"\0\x05\x16\x07")]);
    assert_eq!(read_mixture(&folder.file("m.npz", one)).unwrap(), GaussianMixture::uniform(vec![0.0, 6.0], 1).unwrap());
    let flat = read_mixture(&folder.file("m.npz", zip(&[stored("means.npy", &means("(2,)"))]))).unwrap_err().to_string();
    assert!(flat.contains("reshape(-1, 1)"), "{flat}");
    read_mixture(&folder.file("m.npz", zip(&[stored("means.npy", &means("(2, 1, 1)"))]))).unwrap_err();
}
