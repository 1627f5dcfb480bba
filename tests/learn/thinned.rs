//! Rows that come in turns: whatever is taken of them is taken of all.

use std::process::Command;

use mixscore::internals::diffusion::Tiles;
use mixscore::internals::diffusion::{Data, Islands};
use mixscore::internals::experiment::source;
use mixscore::internals::random::rows;
use mixscore::mixture::files::{Values, read_mixture, write_npy};

use crate::truth::{mixture, points};

/// Row i is of instrument i mod `period`, 8 apart.
fn in_turn(n: usize, period: usize, seed: u64) -> Vec<f64> {
    points(&mixture(1, 1, 1.0, 1), n, seed).iter().enumerate().map(|(i, z)| 8.0 * (i % period) as f64 + z).collect()
}

fn shares(points: &[f64], period: usize) -> Vec<f64> {
    let mut shares = vec![0.0; period];
    points.iter().for_each(|x| shares[((x + 4.0) / 8.0).clamp(0.0, period as f64 - 1.0) as usize] += 1.0 / points.len() as f64);
    shares
}

#[track_caller]
fn all_are_there(name: &str, points: &[f64], period: usize) {
    let (want, n) = (1.0 / period as f64, points.len() as f64);
    for share in shares(points, period) {
        assert!((share - want).abs() <= 5.0 * (want / n).sqrt(), "{name}: {share} of {want}");
    }
}

/// `--points`, thinning, the median and the scale, for several periods and numbers.
#[test]
fn no_instrument_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.npy");
    for (n, period) in [(10_000, 10), (30_000, 6), (40_000, 4), (65_536, 2)] {
        let x = in_turn(n, period, 3);
        write_npy(&path, &[n, 1], Values::F64(&x)).unwrap();
        for count in [1000, 2000, 5000, n] {
            let found = source(&path, None, Some(count), 7).unwrap();
            assert_eq!(found.points.len(), count);
            all_are_there("--points", &found.points, period);
        }
        let few = Tiles::new(n, 1, |i, _| x[i] as f32).thinned(1 << 12);
        all_are_there("thinned", &few.rows().iter().map(|v| f64::from(*v)).collect::<Vec<f64>>(), period);
        let data = Data::new(&x, 1, None, Islands::default(), 0.1, 1).unwrap();
        // The median lies in the middle of all instruments, or in the gap there; the scale is that of all.
        let middle = 8.0 * (period as f64 - 1.0) / 2.0;
        assert!((data.centre[0] - middle).abs() <= 8.0, "{n} {period}: {}", data.centre[0]);
        assert!(data.scale >= 1.5, "{n} {period}: {}", data.scale);
    }
    // Another seed takes other rows; the same takes the same, and fewer are a part of more.
    assert_ne!(rows::chosen(1000, 100, 1), rows::chosen(1000, 100, 2));
    // Planted: every tenth row is of one instrument.
    let x = in_turn(10_000, 10, 3);
    assert!(shares(&x.iter().copied().step_by(10).collect::<Vec<f64>>(), 10)[0] > 0.99);
}

/// The field's case through the program: ten instruments that are read in turn, by both learners.
#[test]
fn ten_instruments_are_ten_components() {
    let folder = tempfile::tempdir().unwrap();
    write_npy(&folder.path().join("x.npy"), &[10_000, 1], Values::F64(&in_turn(10_000, 10, 5))).unwrap();
    for (at, line) in ["--method em --points 1000", "--method em --points 2000", "--points 5000 --pairs 16384"].iter().enumerate() {
        let line = format!("learn x.npy {line} --components 10 --held-out 0 --samples 10 --output a{at} --quiet --device cpu");
        let output =
            Command::new(env!("CARGO_BIN_EXE_mixscore")).args(line.split_whitespace()).current_dir(folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        let model = read_mixture(&folder.path().join(format!("a{at}/model.npz"))).unwrap();
        let mut means = model.means().to_vec();
        means.sort_by(f64::total_cmp);
        for (j, mean) in means.iter().enumerate() {
            assert!((mean - 8.0 * j as f64).abs() <= 0.7, "{line}: {means:?}"); // 100 points and more of each: 0.1, seven times
        }
    }
}
