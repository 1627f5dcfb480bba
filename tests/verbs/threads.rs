//! The number of threads: by option, by environment, and results that do not depend on it.

use std::process::Command;

use super::Place;

fn place() -> Place {
    let place = Place::new();
    place.mixture("s.npz", &[0.5, 0.5], &[-1.0, 0.0, 1.0, 0.5], 2, 1.0);
    place.mixture("t.npz", &[1.0], &[0.0, 0.0], 2, 1.0);
    place
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let place = place();
    let line = "gradient --student s.npz --teacher t.npz --samples 4096 --device cpu --quiet --output";
    let bytes = |name: &str, options: &str| {
        let output = place.run(&format!("{line} {name} {options}"));
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(place.path(name)).unwrap()
    };
    let one = bytes("one.npz", "--threads 1");
    assert!(one == bytes("three.npz", "--threads 3") && one == bytes("all.npz", ""));
}

#[test]
fn senseless_numbers_of_threads_are_refused_with_who_asked() {
    let place = place();
    place.refused("sample --mixture s.npz --count 3 --output x.npy --threads 0", 2, "--threads asks for 0 threads");
    place.refused("sample --mixture s.npz --count 3 --output x.npy --threads 100000", 2, "1 to 1024");
    for variable in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS", "SLURM_CPUS_PER_TASK"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mixscore"));
        command.env_remove("RAYON_NUM_THREADS").env_remove("OMP_NUM_THREADS");
        let line = "sample --mixture s.npz --count 3 --output x.npy";
        let output = command.env(variable, "100000").args(line.split(' ')).current_dir(place.path("")).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(&format!("{variable} asks for 100000 threads")));
    }
}
