//! Hostile .npz archives, each refused for the right reason.

use mixscore::mixture::files::{read_mixture, read_npz, read_variance, read_weights};

use crate::forge::{Entry, deflated, doubles, stored, zip, zip_with_count, zip_with_wide_end};
use crate::hostile::Folder;
use crate::watch::assert_refused;

fn means() -> Vec<u8> {
    doubles("(1, 2)", &[1.0, 2.0])
}

/// Each of these files is refused for its reason.
fn assert_all_refused(cases: Vec<(Vec<u8>, &str)>) {
    let folder = Folder::new();
    for (bytes, reason) in cases {
        assert_refused(&folder.file("a.npz", bytes), reason, read_mixture);
    }
}

#[test]
fn ends_and_directories() {
    let means = means();
    let many: Vec<Entry> = (0..65).map(|i| stored(&format!("a{i}.npy"), &means)).collect();
    let commented = [zip(&[stored("means.npy", &means)]), b"hi".to_vec()].concat();
    let mut with_comment = commented.clone();
    let end = with_comment.len() - 2;
    with_comment[end - 2] = 2; // the end says how long the comment is
    let prefixed = [b"#!/bin/sh\n".to_vec(), zip(&[stored("means.npy", &means)])].concat();
    // The last end is false; before it there is one that could be believed.
    let two_ends = [zip(&[stored("means.npy", &means)]), b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2e\0\0\0\0\0\0\0\0\0".to_vec()].concat();
    assert_all_refused(vec![
        (vec![], "no end of a zip"),
        (means.clone(), "no end of a zip"),
        (commented, "no end of a zip"),
        (with_comment, "has a comment of 2 bytes behind its end"),
        (prefixed, "does not lie where it should"),
        (zip(&[]), "no array `means` (other arrays: none)"),
        (zip(&many), "declares 65 entries"),
        (zip_with_count(&many[..1], 65_000), "declares 65000 entries"),
        (zip_with_count(&many[..2], 1), "missing from central directory"),
        (zip_with_count(&many[..2], 3), "cannot be read: invalid Zip"),
        (two_ends, "does not lie where it should"),
        (zip_with_wide_end(&many[..1], 20_000_000, 0), "declares 20000000 entries"),
        (zip_with_wide_end(&many[..2], 3, 0), "cannot be read: invalid Zip"),
        (zip_with_wide_end(&many[..2], 2, 1 << 40), "broken zip64 end"),
    ]);
}

#[test]
fn names_of_entries() {
    let means = means();
    let two_names = |first: &str, second: &str| zip(&[stored(first, &means), stored(second, &means)]);
    assert_all_refused(vec![
        (zip(&[stored("mean\x1b.npy", &means)]), "mean\\u{1b}"),
        (zip(&[stored("centers.npy", &means)]), "other arrays: centers"),
        (two_names("means.npy", "means.npy"), "two entries of the same name"),
        (two_names("means.npy", "../means.npy"), "`../means` cannot be used"),
        (two_names("means.npy", "/etc/passwd.npy"), "cannot be used"),
        (two_names("means.npy", "a\\b.npy"), "cannot be used"),
        (two_names("means.npy", "readme.txt"), "not an .npy array"),
        (two_names("means.npy", "covariances.npy"), "has diag covariances, and here student and teacher have one common variance"),
        (zip(&[stored("means.npy", &means), Entry { offset: Some(0), ..stored("weights.npy", &means) }]), "filename mismatch"),
        (zip(&[stored("means.npy", &means), Entry { offset: Some(0), ..stored("means.npy", &means) }]), "same name"),
    ]);
}

#[test]
fn entries_and_arrays() {
    let means = means();
    let one = |change: fn(&mut Entry)| {
        let mut entry = stored("means.npy", &means);
        change(&mut entry);
        zip(&[entry])
    };
    let nested = [stored("a.npy", &zip(&[stored("means.npy", &means)])), Entry { offset: Some(30 + 5), ..stored("means.npy", &means) }];
    assert_all_refused(vec![
        (zip(&nested), "overlapping"),
        (one(|entry| entry.offset = Some(5)), "Invalid local file header"),
        (one(|entry| entry.offset = Some(u32::MAX - 1)), "cannot be read: invalid Zip"),
        (one(|entry| entry.offset = Some(u32::MAX)), "cannot be read: invalid Zip"),
        (one(|entry| entry.flags = 1), "is encrypted"),
        (one(|entry| entry.method = 14), "the method Lzma"),
        (one(|entry| entry.crc ^= 1), "Invalid checksum"),
        (one(|entry| entry.local_name = Some("weird.npy".into())), "filename mismatch"),
        (one(|entry| entry.local_size = Some(7)), "size mismatch"),
        (one(|entry| entry.size += 1), "the method Stored"),
        (one(|entry| entry.method = 8), "Invalid checksum"),
        (zip(&[Entry { packed: vec![0xff; 40], ..deflated("means.npy", &means) }]), "cannot be read"),
        (zip(&[Entry { size: 4_000_000_000, ..deflated("means.npy", &means) }]), "looks like an attack"),
        (zip(&[Entry { size: 400, ..deflated("means.npy", &means) }]), "needs 16 bytes, but"),
        (
            zip(&[Entry { size: means.len() as u32 - 8, ..deflated("means.npy", &doubles("(1, 1)", &[1.0, 2.0])) }]),
            "larger than its declared",
        ),
        (zip(&[stored("means.npy", &doubles("(1, 2)", &[1.0, f64::NAN]))]), "means[0, 1] is NaN"),
        (zip(&[stored("means.npy", &doubles("(1, 2)", &[1.0]))]), "the array means shape"),
        (zip(&[stored("means.npy", &doubles("(2,)", &[1.0, 2.0]))]), "means has shape [2]"),
        (zip(&[stored("means.npy", &doubles("(2, 1, 1)", &[1.0, 2.0]))]), "several replicates"),
    ]);
}

/// Bytes that no entry owns are searched for hidden entries, which must not take long.
#[test]
fn a_hole_of_three_gigabytes() {
    use std::io::{Seek, SeekFrom, Write};
    let folder = Folder::new();
    let bytes = zip(&[stored("means.npy", &doubles("(1, 2)", &[1.0, 2.0]))]);
    let (body, end) = bytes.split_at(bytes.len() - 22);
    let (size, start) = (u32::from_le_bytes(end[12..16].try_into().unwrap()), 3u32 << 30);
    let (entry, directory) = body.split_at(body.len() - size as usize);
    let path = folder.file("hole.npz", entry);
    let mut file = std::fs::File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(start.into())).unwrap(); // takes no disk
    file.write_all(&[directory, &end[..16], &start.to_le_bytes(), &[0; 2]].concat()).unwrap();
    assert_refused(&path, "belong to no entry", read_mixture);
}

/// Only archives above 4 GiB are written with this end, so a small one is forged.
#[test]
fn wide_ends_are_read() {
    let means = stored("means.npy", &doubles("(1, 2)", &[1.0, 2.0]));
    let folder = Folder::new();
    let mixture = read_mixture(&folder.file("wide.npz", zip_with_wide_end(&[means], 1, 0))).unwrap();
    assert_eq!(mixture.means(), [1.0, 2.0]);
}

#[test]
fn numbers_that_make_no_mixture() {
    let folder = Folder::new();
    let with = |name: &str, shape: &str, values: &[f64]| {
        zip(&[stored("means.npy", &doubles("(2, 1)", &[1.0, 2.0])), stored(name, &doubles(shape, values))])
    };
    let cases = [
        (with("weights.npy", "(2,)", &[0.5, 0.6]), "sum to 1.1"),
        (with("weights.npy", "(2,)", &[1.5, -0.5]), "weights[1] is -0.5"),
        (with("weights.npy", "(2,)", &[0.0, 0.0]), "sum to 0"),
        (with("weights.npy", "(2,)", &[f64::NAN, 0.5]), "weights[0] is NaN"),
        (with("weights.npy", "(3,)", &[0.25, 0.25, 0.5]), "3 weights do not belong to 2 means"),
        (with("weights.npy", "(1, 2)", &[0.5, 0.5]), "weights has shape [1, 2]"),
        (with("variance.npy", "()", &[0.0]), "variance is 0"),
        (with("variance.npy", "()", &[f64::INFINITY]), "variance is inf"),
        (with("variance.npy", "(2,)", &[1.0, 1.0]), "variance has shape [2]"),
        (with("weight.npy", "(2,)", &[0.5, 0.5]), "`weight`, which is not read"),
    ];
    for (bytes, reason) in cases {
        assert_refused(&folder.file("a.npz", bytes), reason, read_mixture);
    }
    let path = folder.file("a.npz", with("weights.npy", "(2,)", &[0.5, 0.6]));
    assert_refused(&path, "sum to 1.1", read_weights);
    let path = folder.file("a.npz", with("variance.npy", "(1,)", &[-1.0]));
    assert_refused(&path, "variance is -1", read_variance);
    let path = folder.file("a.npz", with("weight.npy", "(2,)", &[0.5, 0.5]));
    assert_refused(&path, "`weight`, which is not read", read_weights);
}

/// 256 MiB of zeros that a consistent header declares, in some 260 kB; and 64 entries that stay below the cap one by one.
#[test]
fn zip_bombs() {
    let folder = Folder::new();
    let zeros = |megabytes: usize| doubles(&format!("({}, 1)", megabytes << 17), &vec![0.0; megabytes << 17]);
    let bomb = zip(&[deflated("means.npy", &zeros(256))]);
    assert!(bomb.len() < 400_000);
    assert_refused(&folder.file("bomb.npz", bomb), "looks like an attack", read_mixture);
    let part = deflated("a.npy", &zeros(3));
    let parts: Vec<Entry> = (0..64).map(|i| Entry { name: format!("a{i}.npy"), ..part.clone() }).collect();
    assert_refused(&folder.file("cluster.npz", zip(&parts)), "looks like an attack", read_npz);
    // A header that is modest and an entry that is not.
    let liar = [doubles("(1, 1)", &[1.0]), vec![0; 200 << 20]].concat();
    assert_refused(&folder.file("liar.npz", zip(&[deflated("means.npy", &liar)])), "looks like an attack", read_mixture);
    let hidden = Entry { size: doubles("(1, 1)", &[1.0]).len() as u32, ..deflated("means.npy", &liar) };
    assert_refused(&folder.file("hidden.npz", zip(&[hidden])), "larger than its declared", read_mixture);
}
