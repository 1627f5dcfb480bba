//! Hostile files, each refused for the right reason.

use std::path::PathBuf;

use mixscore::mixture::files::{read_means, read_mixture, read_npy, read_npz, read_points, read_weights};

use crate::forge::{Entry, deflated, doubles, npy, safetensors, stored, zip, zip_with_count};
use crate::watch::{assert_refused, watched};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn header(descr: &str, shape: &str) -> String {
    format!("{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}")
}

#[test]
fn npy_files() {
    let folder = Folder::new();
    let version2 = |length: u32| [b"\x93NUMPY\x02\x00".as_slice(), &length.to_le_bytes(), b"{}"].concat();
    let shape = |shape: &str, n: usize| npy(&header("'<f8'", shape), &vec![0; n]);
    let descr = |descr: &str| npy(&header(descr, "(1, 1)"), &[0; 8]);
    let text = |text: &str| npy(text, &[0; 8]);
    let nested = format!("(({}1, ", "(".repeat(60_000));
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "ends before"),
        (b"\x93NUMPY\x01".to_vec(), "ends before"),
        (b"PK\x03\x04 not an array".to_vec(), "not in NumPy's format"),
        (b"\x93NUMPY\x09\x00\x02\x00{}".to_vec(), "version 9"),
        (version2(0xFFFF_FFF0), "declares a header of 4294967280 bytes in 14"),
        ([version2(70_000), vec![b' '; 80_000]].concat(), "declares a header of 70000"),
        (shape("(2, 3)", 47), "needs 48 bytes, but 47 follow"),
        (shape("(2, 3)", 49), "needs 48 bytes, but 49 follow"),
        (shape("(1000000000, 1000)", 8), "needs 8000000000000 bytes"),
        (shape("(4294967296, 4294967296)", 0), "more than any machine"),
        (shape("(18446744073709551615, 2)", 16), "more than any machine"),
        (shape("(2305843009213693952, 1)", 0), "more than any machine"),
        (shape("(18446744073709551616, 1)", 8), "as a length"),
        (shape("(-1, 1)", 8), "as a length"),
        (shape("(1, 1, 1, 1, 1, 1, 1, 1, 1)", 8), "more than 8 dimensions"),
        (shape(&nested, 8), "as a length"),
        (shape("(1 1)", 8), "goes wrong"),
        (shape("(1,", 8), "as a length"),
        (descr("'|O'"), "Python objects"),
        (descr("[('a', '<f8')]"), "structured type"),
        (descr("'<c8'"), "complex"),
        (descr("'>f8'"), "big-endian"),
        (descr("'<f2'"), "`<f2`"),
        (descr("'<U2'"), "`<U2`"),
        (descr("'\x1b[31m<f8'"), "\\u{1b}[31m"),
        (text("{'descr': '<f8', 'fortran_order': False}"), "without descr"),
        (text("{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)}"), "`descr` twice"),
        (text("{'descr': '<f8', 'fortran_order': 0, 'shape': (1, 1)}"), "goes wrong"),
        (text("{'descr': '<f8', 'evil': 1, 'fortran_order': False, 'shape': (1, 1)}"), "unknown key `evil`"),
        (text("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 1)} + 1"), "goes wrong"),
        (text("__import__('os')"), "goes wrong"),
        (npy(&header("'<u8'", "(1, 1)"), &[255; 8]), "beyond 2^53"),
        (doubles("(2, 2)", &[1.0, 2.0, 3.0, f64::NAN]), "points[1, 1] is NaN (row 1, column 1"),
        (doubles("(2, 2)", &[1.0, 2.0, f64::NEG_INFINITY, 0.0]), "points[1, 0] is -inf"),
        (doubles("(0, 3)", &[]), "shape [0, 3]"),
        (doubles("(3, 0)", &[]), "shape [3, 0]"),
        (doubles("(2,)", &[1.0, 2.0]), "shape [2]"),
    ];
    for (bytes, reason) in cases {
        assert_refused(&folder.file("a.npy", bytes), reason, read_points);
    }
    for (name, reason) in [
        ("objects", "Python objects"),
        ("structured", "structured"),
        ("complex", "complex"),
        ("big_endian", "big-endian"),
        ("half", "<f2"),
        ("bool", "|b1"),
    ] {
        assert_refused(&crate::numpy(&format!("{name}.npy")), reason, read_npy);
    }
}

#[test]
fn npz_files() {
    let folder = Folder::new();
    let means = doubles("(1, 2)", &[1.0, 2.0]);
    let one = |change: fn(&mut Entry)| {
        let mut entry = stored("means.npy", &means);
        change(&mut entry);
        zip(&[entry])
    };
    let two_names = |first: &str, second: &str| zip(&[stored(first, &means), stored(second, &means)]);
    let many: Vec<Entry> = (0..65).map(|i| stored(&format!("a{i}.npy"), &means)).collect();
    let commented = [zip(&[stored("means.npy", &means)]), b"hi".to_vec()].concat();
    let prefixed = [b"#!/bin/sh\n".to_vec(), zip(&[stored("means.npy", &means)])].concat();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "no end of a zip"),
        (means.clone(), "no end of a zip"),
        (commented, "no end of a zip"),
        (prefixed, "does not lie where it should"),
        (zip(&[]), "no array `means` (other arrays: none)"),
        (zip(&[stored("mean\x1b.npy", &means)]), "mean\\u{1b}"),
        (zip(&[stored("centers.npy", &means)]), "other arrays: centers"),
        (zip(&many), "declares 65 entries"),
        (zip_with_count(&many[..1], 65_000), "declares 65000 entries"),
        (zip_with_count(&many[..2], 1), "more in its zip directory"),
        (zip_with_count(&many[..2], 3), "breaks off"),
        (two_names("means.npy", "means.npy"), "means twice"),
        (two_names("means.npy", "../means.npy"), "`../means` cannot be used"),
        (two_names("means.npy", "/etc/passwd.npy"), "cannot be used"),
        (two_names("means.npy", "a\\b.npy"), "cannot be used"),
        (two_names("means.npy", "readme.txt"), "not an .npy array"),
        (two_names("means.npy", "covariances.npy"), "`covariances`, which is not read, and no `variance`"),
        (zip(&[stored("means.npy", &means), Entry { offset: Some(0), ..stored("weights.npy", &means) }]), "contradicts"),
        (zip(&[stored("means.npy", &means), Entry { offset: Some(0), ..stored("means.npy", &means) }]), "overlapping"),
        (one(|entry| entry.offset = Some(5)), "does not lie where"),
        (one(|entry| entry.offset = Some(u32::MAX - 1)), "does not lie where"),
        (one(|entry| entry.offset = Some(u32::MAX)), "breaks off"),
        (one(|entry| entry.flags = 1), "is encrypted"),
        (one(|entry| entry.method = 14), "method 14"),
        (one(|entry| entry.crc ^= 1), "wrong checksum"),
        (one(|entry| entry.local_name = Some("weird.npy".into())), "contradicts the zip directory"),
        (one(|entry| entry.local_size = Some(7)), "contradicts the zip directory"),
        (one(|entry| entry.size += 1), "method 0"),
        (one(|entry| entry.method = 8), "ends before"),
        (zip(&[Entry { packed: vec![0xff; 40], ..deflated("means.npy", &means) }]), "cannot be read"),
        (zip(&[Entry { size: 4_000_000_000, ..deflated("means.npy", &means) }]), "looks like an attack"),
        (zip(&[Entry { size: 400, ..deflated("means.npy", &means) }]), "needs 16 bytes, but"),
        (zip(&[Entry { size: means.len() as u32 - 8, ..deflated("means.npy", &doubles("(1, 1)", &[1.0, 2.0])) }]), "more bytes than"),
        (zip(&[stored("means.npy", &doubles("(1, 2)", &[1.0, f64::NAN]))]), "means[0, 1] is NaN"),
        (zip(&[stored("means.npy", &doubles("(1, 2)", &[1.0]))]), "the array means shape"),
        (zip(&[stored("means.npy", &doubles("(2,)", &[1.0, 2.0]))]), "means has shape [2]"),
        (zip(&[stored("means.npy", &doubles("(1, 1, 2)", &[1.0, 2.0]))]), "several replicates"),
    ];
    for (bytes, reason) in cases {
        assert_refused(&folder.file("a.npz", bytes), reason, read_mixture);
    }
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
        (with("weights.npy", "(2,)", &[1.0, 0.0]), "weights[1] is 0"),
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
    assert_refused(&folder.file("hidden.npz", zip(&[hidden])), "more bytes than it declares", read_mixture);
}

#[test]
fn safetensors_files() {
    let folder = Folder::new();
    let tensor = |name: &str, dtype: &str, shape: &str, from: u64, to: u64| {
        format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}"#)
    };
    let file = |tensors: &[String], n: usize| safetensors(&format!("{{{}}}", tensors.join(",")), n);
    let means = || tensor("means", "F64", "[1,2]", 0, 16);
    let nested = format!("{{\"means\":{}", "[".repeat(200_000));
    let flood: Vec<String> = (0..14_000).map(|i| tensor(&i.to_string(), "F64", "[]", 8 * i, 8 * i + 8)).collect();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "ends before"),
        (vec![0; 7], "ends before"),
        (u64::MAX.to_le_bytes().to_vec(), "declares a header of 18446744073709551615"),
        ((1u64 << 20).to_le_bytes().to_vec(), "declares a header of 1048576 bytes in 8"),
        (safetensors(&" ".repeat((1 << 20) + 1), 0), "at most 1048576"),
        (safetensors("[]", 0), "cannot be used"),
        (safetensors(&nested, 0), "cannot be used"),
        (file(&flood, 8 * 14_000), "no array `means`"),
        (file(&[], 0), "no array `means`"),
        (file(&[tensor("weights", "F64", "[1]", 0, 8)], 8), "no array `means`"),
        (file(&[means()], 15), "declares 16 bytes of numbers, but 15 follow"),
        (file(&[means()], 17), "declares 16 bytes of numbers, but 17 follow"),
        (file(&[means(), tensor("weights", "F64", "[1]", 8, 16)], 16), "cannot be used"),
        (file(&[means(), tensor("weights", "F64", "[1]", 24, 32)], 32), "cannot be used"),
        (file(&[tensor("means", "F64", "[1,3]", 0, 16)], 16), "cannot be used"),
        (file(&[tensor("means", "F64", "[4294967296,4294967296]", 0, 16)], 16), "cannot be used"),
        (file(&[tensor("means", "F16", "[1,2]", 0, 4)], 4), "holds F16"),
        (file(&[tensor("means", "BF16", "[1,2]", 0, 4)], 4), "holds BF16"),
        (file(&[tensor("means", "I64", "[1,2]", 0, 16)], 16), "holds I64"),
        (file(&[tensor("means", "F64", "[0,2]", 0, 0)], 0), "means has shape [0, 2]"),
        ([safetensors(&format!("{{{}}}", means()), 8), vec![255; 8]].concat(), "means[0, 1] is NaN"),
    ];
    for (bytes, reason) in cases {
        assert_refused(&folder.file("a.safetensors", bytes), reason, read_mixture);
    }
}

#[test]
fn json_files() {
    let folder = Folder::new();
    let keys: String = (0..100_000).map(|i| format!("\"k{i}\":0,")).collect();
    let numbers = "0,".repeat((1 << 19) - 16);
    let cases: Vec<(String, &str)> = vec![
        (String::new(), "not a mixture in JSON"),
        (format!(r#"{{"means": {}"#, "[".repeat(200_000)), "recursion limit"),
        (format!("{{{}", &keys[..1_000_000]), "unknown field `k0`"),
        (format!(r#"{{"means": {{{}"z": 0}}}}"#, keys.split_inclusive(',').take(90_000).collect::<String>()), "means holds an object"),
        (" ".repeat((1 << 20) + 1), "Use .npz"),
        (format!(r#"{{"{}": 0}}"#, "x".repeat(100_000)), "unknown field"),
        (r#"{"means": [[1e999]]}"#.into(), "number out of range"),
        (r#"{"means": [[NaN]]}"#.into(), "not a mixture in JSON"),
        (r#"{"means": [["1"]]}"#.into(), "means holds the text"),
        (r#"{"means": [[1, 2], [3]]}"#.into(), "differ in length"),
        (r#"{"means": [[1, 2], 3]}"#.into(), "differ in length"),
        (r#"{"means": [[1, [2]]]}"#.into(), "differ in length"),
        (r#"{"means": [[[[1]]]]}"#.into(), "three deep"),
        (r#"{"means": [[]]}"#.into(), "differ in length"),
        (r#"{"means": [[1]], "means": [[2]]}"#.into(), "duplicate field"),
        (r#"{"means": [[1]], "weight": [1]}"#.into(), "unknown field `weight`"),
        (r#"{"weights": [1]}"#.into(), "no array `means`"),
        (r#"{"means": [[1]]} {}"#.into(), "trailing characters"),
    ];
    for (text, reason) in cases {
        assert_refused(&folder.file("a.json", text), reason, read_mixture);
    }
    // The longest row that fits is no fault, and takes no more memory than a fault may.
    let longest = format!(r#"{{"means": [[{numbers}0]]}}"#);
    let (result, _, most) = watched(|| read_means(&folder.file("a.json", longest)));
    assert_eq!(result.unwrap().shape, [1, (1 << 19) - 15]);
    assert!(most < 64 << 20, "{most}");
}

#[test]
fn csv_files() {
    let folder = Folder::new();
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (vec![], "no row of numbers"),
        (b"\xef\xbb\xbf\n\n".to_vec(), "no row of numbers"),
        (b"x,y\n".to_vec(), "no row of numbers"),
        (b"1,2\n3\n".to_vec(), "line 2 has 1 columns"),
        (b"x,y\n1,2\n3,4,5\n".to_vec(), "line 3 has 3 columns, but the first row has 2"),
        (b"1,1e999\n".to_vec(), "line 1, column 2 is `1e999`"),
        (b"1,2\nnan,1\n".to_vec(), "line 2, column 1 is `nan`"),
        (b"1,2\n-inf,1\n".to_vec(), "`-inf`"),
        (b"1,2\n3,\n".to_vec(), "line 2, column 2 is empty"),
        (b"1,2\n3,\x1b[2J\n".to_vec(), "\\u{1b}[2J"),
        (b"1,2\n3,\xff\n".to_vec(), "not UTF-8"),
        (b"\xff\xfe1\0,\0".to_vec(), "not UTF-8"),
        (b"1;2\n3;4\n5;6\n".to_vec(), "line 2, column 1 is `3;4`"),
        (vec![b'1'; 5 << 20], "longer than 4194304 bytes"),
        ([b"1,2\n\"".to_vec(), vec![b','; 5 << 20]].concat(), "line 2 is longer"),
        ([b"1,2\n\"".to_vec(), b"\n".repeat(1 << 20)].concat(), "line 2, column 1 is `\\\"`"),
        (vec![b','; 4 << 20], "line 1, column 1 is empty"),
    ];
    for (bytes, reason) in cases {
        assert_refused(&folder.file("a.csv", bytes), reason, read_points);
    }
    let path = folder.file("huge.csv", "");
    std::fs::File::options().write(true).open(&path).unwrap().set_len(1 << 30).unwrap(); // a line of 1 GiB that takes no disk
    assert_refused(&path, "longer than", read_points);
}

#[test]
fn places_that_are_no_files() {
    let folder = Folder::new();
    for name in ["a.npz", "a.npy", "a.json", "a.csv", "a.safetensors"] {
        let path = folder.0.path().join(name);
        let read: fn(&std::path::Path) -> mixscore::Result<()> =
            if matches!(name, "a.npy" | "a.csv") { |path| read_points(path).map(drop) } else { |path| read_mixture(path).map(drop) };
        assert_refused(&path, "cannot be opened", read);
        std::fs::create_dir(&path).unwrap();
        assert_refused(&path, "is a folder", read);
        std::fs::remove_dir(&path).unwrap();
        #[cfg(unix)]
        {
            assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
            assert_refused(&path, "is a pipe or a device", read);
            std::fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
            assert_refused(&path, "is a pipe or a device", read);
            std::fs::remove_file(&path).unwrap();
        }
    }
    for name in ["a.txt", "a", "a.npz.exe", "a.\x1b[31m"] {
        assert_eq!(read_mixture(&folder.file(name, "")).unwrap_err().exit_code(), 4, "{name}");
        assert_eq!(read_points(&folder.file(name, "")).unwrap_err().exit_code(), 4, "{name}");
    }
    #[cfg(unix)]
    {
        let link = folder.0.path().join("link.npz");
        std::os::unix::fs::symlink(crate::numpy("mixture.npz"), &link).unwrap();
        assert_eq!(read_mixture(&link).unwrap(), crate::example());
    }
}
