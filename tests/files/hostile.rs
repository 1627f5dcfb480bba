//! Hostile files, each refused for the right reason.

use std::path::PathBuf;

use mixscore::mixture::files::{read_means, read_mixture, read_npy, read_points};

use crate::forge::{doubles, npy, safetensors};
use crate::watch::{assert_refused, watched};

/// A folder to put forged files into.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
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
        (descr("'<f2'"), "bytes"),
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
        (descr("'>c8'"), "complex"),
        (descr("'>f2'"), "bytes"),
    ];
    for (bytes, reason) in cases {
        assert_refused(&folder.file("a.npy", bytes), reason, read_points);
    }
    for (name, reason) in [("objects", "Python objects"), ("structured", "structured"), ("complex", "complex"), ("bool", "|b1")] {
        assert_refused(&crate::numpy(&format!("{name}.npy")), reason, read_npy);
    }
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
        (file(&[tensor("means", "F16", "[1,2]", 0, 8)], 8), "cannot be used"),
        (file(&[tensor("means", "BOOL", "[1,2]", 0, 2)], 2), "holds BOOL"),
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
        (b"1;2\n3;4,5\n".to_vec(), "line 2, column 2 is `4,5`, not a finite number. Decimal commas"),
        (vec![b'1'; 5 << 20], "line 1 is longer than 2097152 bytes"),
        ([b"1,2\n\"".to_vec(), vec![b','; 5 << 20]].concat(), "line 2 is longer"),
        ([b"1,2\n\"".to_vec(), b"\n".repeat(5 << 20)].concat(), "line 2, column 1 is `\\\"`"),
        ([b"1,2\n".repeat(1 << 20), vec![b'1'; 5 << 20]].concat(), "line 1048577 is longer"),
        (vec![b','; 2 << 20], "line 1, column 1 is empty"),
        (b"x,y\r\n1,2\r\n\r\n3,\r\n".to_vec(), "line 4, column 2 is empty"),
        (b"\n1,2\n\n\n3,x".to_vec(), "line 5, column 2 is `x`"),
        (b"1,2\nx,y\n".to_vec(), "line 2, column 1 is `x`"),
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
        assert!(matches!(read_mixture(&folder.file(name, "")), Err(mixscore::Error::BadFile { .. })), "{name}");
        assert!(matches!(read_points(&folder.file(name, "")), Err(mixscore::Error::BadFile { .. })), "{name}");
    }
    #[cfg(unix)]
    {
        let link = folder.0.path().join("link.npz");
        std::os::unix::fs::symlink(crate::numpy("mixture.npz"), &link).unwrap();
        assert_eq!(read_mixture(&link).unwrap(), crate::example());
    }
}
