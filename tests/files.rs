//! Files of mixtures, points and arrays: what is written comes back, NumPy's own files are read, and hostile files are refused.

#[path = "files/covariances.rs"]
mod covariances;
#[path = "files/forge.rs"]
mod forge;
#[path = "files/forms.rs"]
mod forms;
#[path = "files/hostile.rs"]
mod hostile;
#[path = "files/hostile_npz.rs"]
mod hostile_npz;
#[path = "files/mutation.rs"]
mod mutation;
#[path = "files/text.rs"]
mod text;
#[path = "files/watch.rs"]
mod watch;

use std::path::{Path, PathBuf};

use mixscore::mixture::files::{
    Array, Values, read_means, read_mixture, read_npy, read_npz, read_points, read_variance, read_weights, write_atomically, write_mixture,
    write_npy, write_npz,
};
use mixscore::{Error, GaussianMixture};

fn numpy(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/numpy").join(name)
}

/// What the files of tests/corpus/numpy hold (NumPy 2.4.6: savez, savez_compressed, save, lib.format.write_array, savetxt).
const MEANS: [f64; 6] = [0.0, 1.0, 2.5, -3.0, 1e-3, 4.0];

fn example() -> GaussianMixture {
    GaussianMixture::new(vec![0.5, 0.25, 0.25], MEANS.to_vec(), 2, 0.5).unwrap()
}

#[test]
fn mixtures_come_back_bit_for_bit_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let awkward = vec![1.0 / 3.0, -0.0, f64::MIN_POSITIVE / 4.0, 1e300, -1.0e-17, std::f64::consts::PI];
    let mixture = GaussianMixture::new(vec![0.7, 0.3], awkward, 3, 1.0 / 7.0).unwrap();
    for name in ["m.npz", "m.safetensors", "m.json", "m.NPZ"] {
        let path = folder.path().join(name);
        write_mixture(&path, &mixture).unwrap();
        let back = read_mixture(&path).unwrap();
        let bits = |m: &GaussianMixture| m.means().iter().chain(m.weights()).map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(&mixture), "{name}");
        assert_eq!(back.variance().to_bits(), mixture.variance().to_bits(), "{name}");
        assert_eq!(read_weights(&path).unwrap().unwrap(), mixture.weights(), "{name}");
        assert_eq!(read_variance(&path).unwrap(), Some(mixture.variance()), "{name}");
        let means = read_means(&path).unwrap();
        assert_eq!((means.shape, means.values), (vec![2, 3], mixture.means().to_vec()), "{name}");
        let again = folder.path().join("again").with_extension(path.extension().unwrap());
        write_mixture(&again, &mixture).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(&again).unwrap(), "{name}: equal mixtures give equal bytes");
    }
}

#[test]
fn arrays_come_back_in_their_shapes() {
    let folder = tempfile::tempdir().unwrap();
    let (npz, npy) = (folder.path().join("a.npz"), folder.path().join("a.npy"));
    let (f, g, i) = ([0.1, f64::MAX, -3.0, 4.0, 5.0, 6.0], [0.1f32, f32::MIN_POSITIVE], [i64::from(u32::MAX), -7, 1 << 53]);
    let arrays: [(&str, &[usize], Values); 5] = [
        ("doubles", &[1, 2, 3], Values::F64(&f)),
        ("floats", &[2], Values::F32(&g)),
        ("step", &[3], Values::I64(&i)),
        ("scalar", &[], Values::F64(&f[..1])),
        ("empty", &[0, 3], Values::F64(&[])),
    ];
    write_npz(&npz, &arrays).unwrap();
    let expected: [Vec<f64>; 5] =
        [f.to_vec(), g.iter().map(|v| f64::from(*v)).collect(), i.iter().map(|v| *v as f64).collect(), vec![f[0]], vec![]];
    let back = read_npz(&npz).unwrap();
    for (((name, shape, values), (got_name, got)), expected) in arrays.iter().zip(&back).zip(expected) {
        assert_eq!((*name, &shape.to_vec(), &expected), (got_name.as_str(), &got.shape, &got.values));
        write_npy(&npy, shape, *values).unwrap();
        assert_eq!(&read_npy(&npy).unwrap(), got);
    }
    // Longer than the buffers of both sides.
    let long: Vec<f64> = (0..100_003).map(f64::from).collect();
    write_npz(&npz, &[("long", &[100_003], Values::F64(&long)), ("after", &[2], Values::F32(&g))]).unwrap();
    assert_eq!(read_npz(&npz).unwrap()[0].1.values, long);
}

#[test]
fn shapes_that_are_not_those_of_the_values_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    for shape in [&[3][..], &[usize::MAX, 2], &[2, 2]] {
        assert!(matches!(write_npz(&path, &[("a", shape, Values::F64(&[1.0, 2.0]))]), Err(Error::BadInput { .. })));
        assert!(matches!(write_npy(&path, shape, Values::F64(&[1.0, 2.0])), Err(Error::BadInput { .. })));
    }
    for names in [["a", "a"], ["a", "../b"], ["", "b"]] {
        let arrays = names.map(|name| (name, &[1][..], Values::F64(&[1.0])));
        assert!(matches!(write_npz(&path, &arrays), Err(Error::BadInput { .. })), "{names:?}");
    }
    assert!(!path.exists());
}

#[test]
fn files_of_numpy_are_read() {
    assert_eq!(read_mixture(&numpy("mixture.npz")).unwrap(), example());
    assert_eq!(read_mixture(&numpy("mixture_compressed.npz")).unwrap(), example());
    let single = MEANS.map(|v| f64::from(v as f32)).to_vec();
    assert_eq!(read_mixture(&numpy("mixture_f32_fortran.npz")).unwrap(), GaussianMixture::uniform(single.clone(), 2).unwrap());
    assert_eq!(read_points(&numpy("points.npy")).unwrap(), Array { shape: vec![3, 2], values: MEANS.to_vec() });
    assert_eq!(read_points(&numpy("points_version2.npy")).unwrap().values, MEANS);
    assert_eq!(read_points(&numpy("points_f32_fortran.npy")).unwrap(), Array { shape: vec![3, 2], values: single });
    assert_eq!(read_points(&numpy("points.csv")).unwrap(), Array { shape: vec![3, 2], values: MEANS.to_vec() });
    let half = [0.0, 1.0, 2.5, -3.0, f64::from(half::f16::from_f64(1e-3)), 4.0];
    assert_eq!(read_points(&numpy("half.npy")).unwrap(), Array { shape: vec![3, 2], values: half.to_vec() });
    let count = |n: u32| (0..n).map(f64::from).collect::<Vec<_>>();
    assert_eq!(read_npy(&numpy("cube_fortran.npy")).unwrap(), Array { shape: vec![2, 3, 4], values: count(24) });
    assert_eq!(read_means(&numpy("replicates.npz")).unwrap(), Array { shape: vec![2, 3, 2], values: count(12) });
    let trajectory = read_npz(&numpy("trajectory.npz")).unwrap();
    assert_eq!(trajectory[0], ("step".into(), Array { shape: vec![4], values: count(4) }));
    assert_eq!(trajectory[1], ("means".into(), Array { shape: vec![4, 3, 2], values: count(24) }));
    assert_eq!(read_weights(&numpy("replicates.npz")).unwrap(), None);
    assert_eq!(read_variance(&numpy("replicates.npz")).unwrap(), None);
}

#[test]
fn half_precision_tensors_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = [1.5, -0.25, 1000.0, 3.0e-2];
    for (name, bits) in
        [("F16", numbers.map(|v| half::f16::from_f64(v).to_le_bytes())), ("BF16", numbers.map(|v| half::bf16::from_f64(v).to_le_bytes()))]
    {
        let header = format!("{{\"means\":{{\"dtype\":\"{name}\",\"shape\":[2,2],\"data_offsets\":[0,8]}}}}");
        let path = folder.path().join(format!("{name}.safetensors"));
        std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bits.concat()].concat()).unwrap();
        let means = read_mixture(&path).unwrap();
        for (got, want) in means.means().iter().zip(numbers) {
            // Half a unit in the last of eight bits.
            assert!((got - want).abs() <= want.abs() / 256.0, "{name}: {got} for {want}");
        }
    }
}

#[test]
fn json_and_csv_as_people_write_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let json = read_mixture(&file("a.json", "\u{feff}{\"means\": [[0, 0], [6, 1e0]]}\n")).unwrap();
    assert_eq!(json, GaussianMixture::uniform(vec![0.0, 0.0, 6.0, 1.0], 2).unwrap());
    assert_eq!(read_means(&file("a.json", r#"{"means": [[[1, 2]], [[3, 4]]]}"#)).unwrap().shape, [2, 1, 2]);
    let rows = Array { shape: vec![2, 2], values: vec![1.0, -2.5, 3e2, 4.0] };
    for text in
        ["1,-2.5\n3e2,4", "\u{feff}x,y\r\n1, -2.5\r\n\r\n3e2 ,4\r\n", "\"x\",\"y\"\n\"1\",\"-2.5\"\n\"3e2\",4\n", "\u{feff}1,-2.5\n3e2,4\n"]
    {
        assert_eq!(read_points(&file("a.csv", text)).unwrap(), rows, "{text:?}");
    }
}

/// A failure in the middle, even a panic, leaves the old file and nothing else.
#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    std::fs::write(&path, "old").unwrap();
    let error = write_atomically(&path, |out| {
        out.write_all(&[0; 1 << 20])?;
        Err(std::io::Error::other("the disk is full"))
    })
    .unwrap_err();
    assert!(matches!(error, Error::Io { .. }));
    assert!(error.to_string().contains("the disk is full"), "{error}");
    let panicked = std::panic::catch_unwind(|| {
        write_atomically(&path, |out| {
            out.write_all(&[0; 1 << 20])?;
            panic!("planted");
        })
    });
    assert!(panicked.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a temporary file was left behind");
    assert!(matches!(write_atomically(&folder.path().join("none/a.npz"), |_| Ok(())), Err(Error::Io { .. })));
}

/// Someone who reads all the time sees the one or the other, never a part.
#[test]
fn readers_never_see_half_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.bin");
    let versions = [vec![1u8; 300_000], vec![2u8; 500_000]];
    write_atomically(&path, |out| out.write_all(&versions[0])).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for i in 0..40 {
                write_atomically(&path, |out| versions[i % 2].chunks(1000).try_for_each(|chunk| out.write_all(chunk))).unwrap();
            }
        });
        let mut n_seen = 0;
        while !writer.is_finished() || n_seen == 0 {
            let seen = std::fs::read(&path).unwrap();
            assert!(versions.contains(&seen), "{} bytes that start with {}", seen.len(), seen.first().copied().unwrap_or(0));
            n_seen += 1;
        }
    });
}

#[cfg(unix)]
#[test]
fn new_files_have_ordinary_permissions_and_devices_are_not_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    std::fs::write(folder.path().join("ordinary"), "").unwrap();
    write_atomically(&folder.path().join("ours"), |_| Ok(())).unwrap();
    assert_eq!(mode("ours"), mode("ordinary"));
    let link = folder.path().join("null");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    for place in [link.as_path(), folder.path()] {
        let error = write_atomically(place, |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
}
