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

/// On a terminal that cannot go back in its line, words come line by line, as where there is no terminal.
#[cfg(target_os = "linux")]
#[test]
fn a_terminal_that_knows_no_bars_gets_words() {
    let place = place();
    std::fs::write(place.path("x.csv"), (0..200).map(|i| format!("{}.5,{}.25\n", i % 7, i % 11)).collect::<String>()).unwrap();
    let program = env!("CARGO_BIN_EXE_mixscore");
    for (n, set) in ["TERM=dumb", "-u TERM", "TERM=", "TERM=xterm"].iter().enumerate() {
        let on_terminal = |line: &str| {
            let mut command = Command::new("env");
            let output =
                command.args(set.split(' ')).args(["script", "-qec", line, "/dev/null"]).current_dir(place.path("")).output().unwrap();
            assert!(output.status.success(), "{set}: {}", String::from_utf8_lossy(&output.stdout));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let run = on_terminal(&format!("{program} run quickstart --device cpu --set descent.steps=20 --output r{n}"));
        assert!(run.contains("device: ") && run.contains(&format!("run: r{n}, step 0 of 20")), "{set}: {run}");
        let learned = on_terminal(&format!("{program} learn x.csv --device cpu --method em --components 2 --samples 10 --output l{n}"));
        assert!(learned.contains("this method computes on the CPU"), "{set}: {learned}");
    }
}

/// Where the system gives no thread, the program's own computes, to the same bits; where it gives no memory, a sentence says how much.
#[cfg(target_os = "linux")]
#[test]
fn limits_of_the_system_end_in_results_or_in_a_sentence() {
    let place = place();
    std::fs::write(place.path("x.csv"), (0..300_000).map(|i| format!("{}.5,{}.25,1.5,2.5\n", i % 7, i % 11)).collect::<String>()).unwrap();
    let program = env!("CARGO_BIN_EXE_mixscore");
    let under = |limit: &str, line: &str| {
        let line = format!("{limit}; exec {program} {line}");
        Command::new("bash").args(["-c", &line]).current_dir(place.path("")).output().unwrap()
    };
    let many = format!("sample --mixture s.npz --count {} --output many.npy --quiet", 40_000_000);
    for (limit, line) in [
        ("ulimit -v 200000", many.as_str()),
        ("ulimit -v 150000", "learn x.csv --device cpu --method em --components 2 --output l --quiet"),
        ("ulimit -v 120000", "run quickstart --set descent.steps=3 --device cpu --output r --quiet"),
    ] {
        let output = under(limit, line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => {}
            Some(4 | 6) => {
                assert!(said.starts_with("mixscore: ") && said.contains("fit in memory") && said.contains("bytes"), "{limit}: {said}")
            }
            other => panic!("{limit}: {other:?} {said}"),
        }
    }
    assert!(!place.path("many.npy").exists());
}
