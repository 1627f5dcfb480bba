//! Problems that nobody thought of: seeds draw sizes and choices, and every device must find what the reference finds.
//!
//! A run takes a hundred seeds, always the same; with MIXSCORE_NIGHTLY=1 it takes thousands from the clock on. A failure prints its seed
//! and what it drew: MIXSCORE_DIFFERENTIAL=SEED tries that one alone, and MIXSCORE_DIFFERENTIAL=FIRST..END others. Cases that a device
//! cannot run are *ignored*.

mod compare;
mod devices;
mod draw;
mod findings;
mod planted;

use std::ops::Range;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::{Arguments, Failed, Trial};
use mixscore::reference::Reference;

use compare::compare;
use devices::{Pool, Which};
use draw::Case;
use findings::{Findings, find};

/// Seeds of a nightly run.
const MANY: u64 = 2000;

fn main() {
    let arguments = Arguments::from_args();
    let nightly = std::env::var("MIXSCORE_NIGHTLY").is_ok_and(|v| v == "1");
    let seeds = seeds(nightly);
    println!("seeds {} to {}: MIXSCORE_DIFFERENTIAL={}..{} draws them again", seeds.start, seeds.end - 1, seeds.start, seeds.end);
    let devices = devices::all();
    let pool = Arc::new(Pool::default());
    let mut trials = planted::trials();
    for seed in seeds {
        let drawn = Arc::new(OnceLock::new());
        let half = compare::is_half(&Case::of_seed(seed));
        for which in &devices {
            let lacking = half && which.lacks_half();
            if lacking && nightly {
                continue; // which runs what is ignored
            }
            let (name, drawn, which, pool) = (format!("{}::seed {seed}", which.name()), drawn.clone(), which.clone(), pool.clone());
            trials.push(Trial::test(name, move || agrees(seed, &drawn, &which, &pool)).with_ignored_flag(lacking));
        }
    }
    if cfg!(feature = "gpu") && devices.len() == 1 {
        let required = std::env::var("REQUIRE_GPU").is_ok_and(|v| v == "1");
        let missing = || Err(Failed::from("no adapter was found: install a Vulkan driver (mesa-vulkan-drivers has a software one)"));
        if required || !nightly {
            trials.push(Trial::test("gpu::every seed", missing).with_ignored_flag(!required));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

fn seeds(nightly: bool) -> Range<u64> {
    if let Ok(asked) = std::env::var("MIXSCORE_DIFFERENTIAL") {
        let number =
            |text: &str| text.parse::<u64>().unwrap_or_else(|e| panic!("MIXSCORE_DIFFERENTIAL={asked}: {e}; give SEED or FIRST..END"));
        return match asked.split_once("..") {
            Some((first, end)) => number(first)..number(end),
            None => number(&asked)..number(&asked) + 1,
        };
    }
    if nightly {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        return seconds..seconds + MANY;
    }
    0..100
}

/// The case, and what the reference found about it: once for all devices.
type Drawn = OnceLock<(Case, Findings)>;

fn agrees(seed: u64, drawn: &Drawn, which: &Which, pool: &Pool) -> Result<(), Failed> {
    let (case, want) = drawn.get_or_init(|| {
        let case = Case::of_seed(seed);
        let want = find(&case, &mut Reference, |_| {}).unwrap_or_else(|e| panic!("the reference refuses {case}: {e}"));
        (case, want)
    });
    let told = |what: String| Failed::from(format!("{what}\n  {case}\n  alone: MIXSCORE_DIFFERENTIAL={seed}"));
    let got = pool.with(which, case, |device| find(case, device, |_| {})).map_err(|e| told(e.to_string()))?;
    let half = compare::is_half(case) && *which != Which::Cpu;
    compare(case, half, &got, want).map_err(told)
}
