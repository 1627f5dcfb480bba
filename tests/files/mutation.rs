//! Valid files cut at every length, with every bit flipped, and with random edits: never a panic, never another exit code than 4.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use mixscore::mixture::files::{
    Array, Values, read_means, read_mixture, read_npy, read_npz, read_points, read_weights, write_mixture, write_npz,
};
use mixscore::{GaussianMixture, Result};
use proptest::prelude::*;

use crate::watch::watched;

/// One small valid file of each kind, as (extension, bytes).
static SEEDS: LazyLock<Vec<(&str, Vec<u8>)>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let written = |extension: &'static str| {
        let path = folder.path().join("a").with_extension(extension);
        write_mixture(&path, &crate::example()).unwrap();
        (extension, std::fs::read(path).unwrap())
    };
    let numpy = |name: &str, extension| (extension, std::fs::read(crate::numpy(name)).unwrap());
    vec![
        written("npz"),
        written("safetensors"),
        written("json"),
        numpy("mixture.npz", "npz"),
        numpy("mixture_compressed.npz", "npz"),
        numpy("points.npy", "npy"),
        numpy("points_version2.npy", "npy"),
        numpy("points.csv", "csv"),
    ]
});

/// Reads the bytes in every way that suits the extension; an error must be one of exit code 4.
fn read_all(folder: &Path, extension: &str, bytes: &[u8]) -> (Option<GaussianMixture>, Option<Array>) {
    fn judged<T>(path: &Path, read: impl FnOnce(&Path) -> Result<T>) -> Option<T> {
        let (result, time, most) = watched(|| read(path));
        assert!(time.as_secs() < 1 && most < 64 << 20, "{time:?}, {most} bytes");
        result.map_err(|error| assert!(matches!(error, mixscore::Error::BadFile { .. }), "{error}")).ok()
    }
    let path: PathBuf = folder.join("a").with_extension(extension);
    std::fs::write(&path, bytes).unwrap();
    match extension {
        "npy" => {
            judged(&path, read_npy);
            (None, judged(&path, read_points))
        }
        "csv" => (None, judged(&path, read_points)),
        _ => {
            judged(&path, read_means);
            judged(&path, read_weights);
            if extension == "npz" {
                judged(&path, read_npz);
            }
            (judged(&path, read_mixture), None)
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (extension, bytes) in SEEDS.iter() {
        // A shorter CSV is a CSV, and white space at the end is no part of JSON.
        let last = bytes.trim_ascii_end().len();
        for length in 0..if *extension == "json" { last } else { bytes.len() } {
            let (mixture, points) = read_all(folder.path(), extension, &bytes[..length]);
            assert!(mixture.is_none() && (points.is_none() || *extension == "csv"), "{extension} cut at {length} of {}", bytes.len());
        }
        let whole = read_all(folder.path(), extension, bytes);
        assert!(whole.0.is_some() || whole.1.is_some(), "{extension}: the whole file must be read");
    }
}

/// In .npz checksums guard the numbers, so whatever is still read must be the very mixture.
#[test]
fn every_flipped_bit_is_refused_or_harmless() {
    let folder = tempfile::tempdir().unwrap();
    for (extension, bytes) in SEEDS.iter() {
        let (mut n_read, expected) = (0, read_all(folder.path(), extension, bytes));
        for bit in 0..8 * bytes.len() {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (mixture, points) = read_all(folder.path(), extension, &flipped);
            n_read += usize::from(mixture.is_some() || points.is_some());
            if *extension == "npz" && mixture.is_some() {
                assert_eq!(mixture, expected.0, "bit {bit} changed the mixture unnoticed");
            }
        }
        assert!(n_read < 8 * bytes.len(), "{extension}: no flip was noticed");
        println!("{extension}: {n_read} of {} flips were harmless", 8 * bytes.len());
    }
}

#[test]
fn starts_of_replicates_are_no_mixtures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    for shape in [&[2usize, 3, 1][..], &[1, 6], &[6, 1]] {
        write_npz(&path, &[("means", shape, Values::F64(&crate::MEANS))]).unwrap();
        assert_eq!(read_mixture(&path).is_ok(), shape.len() == 2, "{shape:?}");
        assert_eq!(read_means(&path).unwrap().shape, shape);
    }
}

/// An edit at a place given as a share of the file.
#[derive(Debug, Clone)]
enum Edit {
    Put(u16, Vec<u8>),
    Insert(u16, Vec<u8>),
    Delete(u16, u8),
    Repeat(u16, u8),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let words = prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..9),
        Just(vec![0xff; 4]),
        Just(vec![0xff; 8]),
        Just(vec![0; 8]),
        Just(b"9999999999".to_vec()),
        Just(b"[[[[".to_vec()),
        Just(b"(".to_vec()),
        Just(b"'|O'".to_vec()),
        Just(b"nan".to_vec()),
        Just(b"PK\x05\x06".to_vec()),
        Just(b"PK\x06\x07".to_vec()),
    ];
    let words = words.boxed();
    proptest::collection::vec(
        prop_oneof![
            (any::<u16>(), words.clone()).prop_map(|(at, word)| Edit::Put(at, word)),
            (any::<u16>(), words).prop_map(|(at, word)| Edit::Insert(at, word)),
            (any::<u16>(), 1..40u8).prop_map(|(at, n)| Edit::Delete(at, n)),
            (any::<u16>(), 1..40u8).prop_map(|(at, n)| Edit::Repeat(at, n)),
        ],
        1..5,
    )
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let (Edit::Put(share, _) | Edit::Insert(share, _) | Edit::Delete(share, _) | Edit::Repeat(share, _)) = edit;
        let at = bytes.len() * usize::from(*share) / (1 << 16);
        let end = |n: usize| (at + n).min(bytes.len());
        match edit {
            Edit::Put(_, word) => drop(bytes.splice(at..end(word.len()), word.iter().copied())),
            Edit::Insert(_, word) => drop(bytes.splice(at..at, word.iter().copied())),
            Edit::Delete(_, n) => drop(bytes.drain(at..end(usize::from(*n)))),
            Edit::Repeat(_, n) => {
                let part = bytes[at..end(usize::from(*n))].to_vec();
                drop(bytes.splice(at..at, part));
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn edited_files_are_read_or_refused(which in 0..8usize, edits in edits()) {
        let folder = tempfile::tempdir().unwrap();
        let (extension, bytes) = &SEEDS[which];
        read_all(folder.path(), extension, &edited(bytes.clone(), &edits));
    }
}
