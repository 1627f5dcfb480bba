//! ϱ is the rank of the means up to the rounding of the type that they were stored in: what is dropped, what never is, and what it saves.

mod common;

use common::{Tolerance, assert_close, assert_normwise, exact, gradient, scattered, uneven};
use half::f16;
use mixscore::cpu::Cpu;
use mixscore::reference::Reference;
use mixscore::{GaussianMixture, Problem};

/// A type that numbers are stored in.
type Store = fn(f64) -> f64;

const F64: Store = |v| v;
const F32: Store = |v| f64::from(v as f32);
const F16: Store = |v| f16::from_f64(v).to_f64();

/// `n` orthonormal directions in d dimensions, the same everywhere.
fn directions(n: usize, d: usize) -> Vec<Vec<f64>> {
    let mut out: Vec<Vec<f64>> = Vec::new();
    for at in 0..n {
        let mut v = scattered(d, 900 + at as u64);
        for _ in 0..2 {
            for u in &out {
                let along: f64 = u.iter().zip(&v).map(|(u, v)| u * v).sum();
                v.iter_mut().zip(u).for_each(|(v, u)| *v -= along * u);
            }
        }
        let length = v.iter().map(|v| v * v).sum::<f64>().sqrt();
        out.push(v.iter().map(|v| v / length).collect());
    }
    out
}

/// Points (n, rank) of a low space as they are stored in d dimensions, `offset` from the origin in every coordinate.
fn stored(low: &[f64], rank: usize, d: usize, offset: f64, store: Store) -> Vec<f64> {
    let axes = directions(rank, d);
    let lifted = low.chunks_exact(rank).flat_map(|row| {
        let axes = &axes;
        (0..d).map(move |c| store(offset + row.iter().zip(axes).map(|(y, u)| y * u[c]).sum::<f64>()))
    });
    lifted.collect()
}

fn of(weights: &[f64], means: &[f64], d: usize) -> GaussianMixture {
    GaussianMixture::new(weights.to_vec(), means.to_vec(), d, 1.0).unwrap()
}

fn rank(start: &[f64], teacher: &GaussianMixture) -> usize {
    let k = start.len() / teacher.n_features();
    Problem::new(uneven(k), teacher.clone()).rank(start, std::slice::from_ref(teacher))
}

#[test]
fn means_of_a_plane_are_a_problem_in_the_plane() {
    let (k, n_teachers) = (4, 3);
    let (p, q): (Vec<f64>, Vec<f64>) = (scattered(2 * k, 1), scattered(2 * n_teachers, 2));
    let [p, q] = [p, q].map(|v| v.iter().map(|v| 4.0 * v).collect::<Vec<f64>>());
    let flat = gradient(&exact(uneven(k), of(&uneven(n_teachers), &q, 2)), &mut Reference, &p);
    // Distances are off by a rounding each, and what is left of the gradient by their squares; what is across the plane is gone.
    for (name, store, rounding) in [("f64", F64, 1e-15), ("f32", F32, 6e-8), ("f16", F16, 5e-4)] {
        for (d, offset) in [(17, 0.0), (64, 0.0), (2000, 0.0), (17, 30.0)] {
            if name == "f16" && offset > 0.0 {
                continue; // numbers near 30 are 1/64 apart: nothing to compare with
            }
            let (start, teacher) = (stored(&p, 2, d, offset, store), of(&uneven(n_teachers), &stored(&q, 2, d, offset, store), d));
            let problem = exact(uneven(k), teacher.clone());
            let mut fit = problem.open(&mut Reference, &start).unwrap();
            assert_eq!(fit.rank(), 2, "{name}, d = {d}, offset {offset}");
            let left = fit.left_out();
            assert!(left.largest <= left.tolerance && left.tolerance > 0.0, "{left:?}");
            let got = fit.gradient(0).unwrap().remove(0);
            let bound = 20.0 * rounding * (1.0 + offset);
            let why = "rounding of distances up to 8";
            assert_close("L", got.divergence.value / flat.divergence.value, 1.0, &Tolerance { bound: bound + 1e-9, why });
            // Back in the plane: a rotation keeps inner products of rows.
            let rows = |g: &[f64], d: usize| -> Vec<f64> {
                g.chunks_exact(d).flat_map(|a| g.chunks_exact(d).map(|b| a.iter().zip(b).map(|(a, b)| a * b).sum())).collect()
            };
            assert_normwise(
                &format!("{name}, d = {d}: gradient"),
                &rows(&got.gradient, d),
                &rows(&flat.gradient, 2),
                &Tolerance { bound: 4.0 * bound + 1e-9, why },
            );
            // In double precision nothing else is seen in all of space, with many more samples' noise.
            let all =
                gradient(&Problem { reduce: false, n_samples: Some(4096), ..Problem::new(uneven(k), teacher) }, &mut Cpu::new(), &start);
            let noise = 6.0 * all.divergence.standard_error;
            assert_close("L in all of space", all.divergence.value, got.divergence.value, &Tolerance { bound: noise, why: "its noise" });
        }
    }
}

/// Lines, and everything at one point, which still has one coordinate.
#[test]
fn lines_and_points_have_one_dimension() {
    for d in [2, 3, 17, 400] {
        for store in [F64, F32, F16] {
            let line = stored(&[-3.0, 2.0, 0.5, 7.0, 1.25], 1, d, 0.0, store);
            let (start, means) = line.split_at(2 * d);
            assert_eq!(rank(start, &of(&uneven(3), means, d)), 1, "a line in {d} dimensions");
        }
        let point: Vec<f64> = scattered(d, 5);
        let teacher = of(&uneven(3), &point.repeat(3), d);
        assert_eq!(rank(&point.repeat(2), &teacher), 1, "one point in {d} dimensions");
        let got = gradient(&exact(uneven(2), teacher), &mut Reference, &point.repeat(2));
        assert!(got.divergence.value == 0.0 && got.gradient.iter().all(|g| *g == 0.0), "{got:?}");
        let zero = of(&[1.0], &vec![0.0; d], d);
        assert_eq!(rank(&vec![0.0; 3 * d], &zero), 1, "nothing but zeros in {d} dimensions");
    }
}

/// What no rounding made stays: starts scattered by little about one point, far out and in types where that can be said.
#[test]
fn scattered_starts_keep_every_direction() {
    for (jitter, at, store, wanted) in [
        (1e-7, 6.0, F64, 3),
        (1e-6, 6.0, F64, 3),
        (1e-11, 6.0, F64, 3),
        (1e-7, 600.0, F64, 3),
        (1e-6, 6.0, F32, 3), // one number in float32 for two units: the first coordinate is coarse, the others are not
        (1e-4, 6.0, F32, 3),
        (0.02, 6.0, F16, 3),
    ] {
        // (at, 0, 0) + jitter z, as the forward baseline starts; and (at, at, at) + jitter z, where no coordinate is small.
        let z = scattered(15, 3);
        let start: Vec<f64> = z.iter().enumerate().map(|(e, z)| store(if e % 3 == 0 { at } else { 0.0 } + jitter * z)).collect();
        assert_eq!(rank(&start, &of(&[1.0], &[0.0; 3], 3)), wanted, "jitter {jitter} about ({at}, 0, 0)");
        let start: Vec<f64> = z.iter().map(|z| store(at + jitter * z)).collect();
        assert_eq!(rank(&start, &of(&[1.0], &[0.0; 3], 3)), wanted, "jitter {jitter} about ({at}, {at}, {at})");
        // The same within many dimensions: 5 students and a teacher on a line through them all span 5 of 20.
        let many: Vec<f64> = scattered(100, 4).iter().map(|z| store(at + jitter * z)).collect();
        assert_eq!(rank(&many, &of(&[1.0], &[0.0; 20], 20)), 5, "jitter {jitter} about {at} in 20 dimensions");
    }
}

/// Numbers that a single precision holds by chance: integers with differences of many σ, far from the origin.
#[test]
fn differences_that_count_are_never_rounding() {
    let utm = |variance: f64| {
        let means = vec![500_000.0, 4_649_776.0, 500_003.0, 4_649_777.0];
        let teacher = GaussianMixture::new(vec![0.5; 2], means, 2, variance).unwrap();
        rank(&[500_006.0, 4_649_777.0], &teacher)
    };
    assert_eq!((utm(0.01), utm(1e6)), (2, 2), "a metre of 4650 km counts, at σ = 0.1 m and where it is not seen");
    for offset in [1e9, 1e12, 1e14, 1e15] {
        // Steps of a few units of rounding, all of them meant.
        let ulp = f64::next_up(offset) - offset;
        let at = |x: f64, y: f64| [offset + 8.0 * ulp * x, offset + 8.0 * ulp * y];
        let teacher = of(&[0.5; 2], &[at(0.0, 0.0), at(40.0, 0.0)].concat(), 2);
        assert_eq!(rank(&[at(0.0, 1.0), at(40.0, 1.0)].concat(), &teacher), 2, "offset {offset}");
    }
    // A student a little beside its teacher, where the line between the teachers is long.
    for (store, aside) in [(F64, 1e-9), (F64, 1e-5), (F32, 1e-3), (F16, 0.25)] {
        let low = [-20.0, aside, 20.0, aside, -20.0, 0.0, 20.0, 0.0];
        let all = stored(&low, 2, 9, 0.0, store);
        assert!(rank(&all[..18], &of(&[0.5; 2], &all[18..], 9)) >= 2, "aside {aside}");
    }
}

#[test]
fn types_may_differ_and_replicates_take_the_largest_rank() {
    let d = 31;
    let (p, q) = (scattered(8, 1), scattered(6, 2));
    for (student, teacher) in [(F64, F32), (F32, F64), (F16, F64), (F32, F16)] {
        let start = stored(&p, 2, d, 0.0, student);
        let teacher = of(&uneven(3), &stored(&q, 2, d, 0.0, teacher), d);
        assert_eq!(rank(&start, &teacher), 2);
        // Three replicates: in the plane, all over space, all at one point.
        let starts = [start.clone(), scattered(4 * d, 7), start[..d].repeat(4)].concat();
        let problem = Problem { n_samples: Some(64), ..Problem::new(uneven(4), teacher.clone()) };
        let mut fit = problem.open(&mut Cpu::new(), &starts).unwrap();
        assert_eq!(fit.rank(), 6);
        let left = fit.left_out();
        assert!(left.largest > 0.0 && left.largest <= left.tolerance, "{left:?}");
        assert_normwise("means", &fit.means().unwrap(), &starts, &Tolerance { bound: 1e-3, why: "what rounding left out, at the most" });
        assert!(fit.gradient(0).unwrap().iter().all(|g| g.gradient.iter().all(|v| v.is_finite())));
    }
}

/// Coordinates in units of their own: the plane is found in whichever is the smallest, and the basis too.
#[test]
fn units_of_coordinates_do_not_hide_a_direction() {
    let d = 12;
    for store in [F64, F32] {
        // A line in eleven coordinates of thousands, stored coarsely, and one small coordinate that moves on its own.
        let mut all = stored(&[-3.0, 2.0, 0.5, 7.0, 1.25, -4.0], 1, d, 0.0, |v| v);
        all.iter_mut().for_each(|v| *v = store(3000.0 * *v));
        for (row, own) in all.chunks_exact_mut(d).zip([0.01, -0.01, 0.02, 0.0, 0.015, -0.02]) {
            row[d - 1] = store(own);
        }
        let (start, means) = all.split_at(3 * d);
        let teacher = GaussianMixture::new(uneven(3), means.to_vec(), d, 1.0).unwrap();
        let mut fit = exact(uneven(3), teacher).open(&mut Reference, start).unwrap();
        assert_eq!(fit.rank(), 2);
        let lifted = fit.means().unwrap();
        for (got, want) in lifted.chunks_exact(d).zip(start.chunks_exact(d)) {
            assert_close(
                "the small coordinate",
                got[d - 1],
                want[d - 1],
                &Tolerance { bound: 1e-5, why: "a few percent of the rounding of 3000" },
            );
        }
    }
}
