use std::sync::atomic::AtomicBool;

use super::*;
use crate::mixture::sample::sample_f32;

/// The search on four clear clusters; also returns its progress reports and how much it computed.
fn search(budget: Budget, components: Option<usize>) -> (Found, Vec<f64>) {
    let truth = GaussianMixture::new(vec![0.25; 4], vec![0.0, 0.0, 9.0, 0.0, 0.0, 9.0, 9.0, 9.0], 2, 1.0).unwrap();
    let tiles = Tiles::of_rows(&sample_f32(&(&truth).into(), 6000, 1).unwrap(), 2);
    let options = Options { components, variance: None, rounds: 8, seed: 1 };
    let mut told = Vec::new();
    let mut tell = |_: &str, done: f64| told.push(done);
    let found = within_budget(&tiles, &[], false, &options, budget, &mut Watch { interrupted: &AtomicBool::new(false), tell: &mut tell });
    (found.unwrap(), told)
}

/// EM on the final candidates is not part of the search: a search that just keeps its budget is not reported as cut short.
#[test]
fn only_a_search_that_was_ended_is_said_to_be() {
    let ample = Budget { search: 1e12, ends: 1e12 };
    let (found, told) = search(ample, None);
    assert!(!found.is_cut_short && found.mixture.n_components() == 4);
    // `told` is relative to the sum of both budgets, before each run of EM; at most the last six runs are on final candidates.
    let work = |at: usize| told[at] * 2e12;
    let in_question =
        found.tried.iter().filter(|t| t.criterion < found.tried.iter().map(|t| t.criterion).fold(f64::INFINITY, f64::min) + IN_QUESTION);
    let ends = in_question.count().min(MOST_IN_QUESTION);
    let of_search = work(told.len() - ends);
    let just = Budget { search: 1.000001 * of_search, ends: 1e12 };
    let (found, told) = search(just, None);
    assert!(!found.is_cut_short && found.notes().is_empty(), "{:?}", found.notes());
    assert!(told.windows(2).all(|w| w[0] <= w[1]) && told.iter().all(|done| (0.0..=1.0).contains(done)));
    let (found, _) = search(Budget { search: 0.5 * of_search, ends: 1e12 }, None);
    assert!(found.is_cut_short && found.notes()[0].contains("rounds in a row"), "{:?}", found.notes());
}

/// EM on the final candidates keeps to its own budget, up to a few steps for each of them.
#[test]
fn the_end_has_a_budget() {
    let work = |ends: f64| {
        let truth = GaussianMixture::new(vec![0.5; 2], vec![0.0, 1.5], 1, 1.0).unwrap();
        let tiles = Tiles::of_rows(&sample_f32(&(&truth).into(), 6000, 1).unwrap(), 1);
        let options = Options { components: Some(2), variance: None, rounds: 1, seed: 1 };
        let interrupted = AtomicBool::new(false);
        let mut watch = Watch { interrupted: &interrupted, tell: &mut |_, _| {} };
        let rng = stream(1, Purpose::LearnSeeding, 0, 2);
        let budget = Budget { search: 1e12, ends };
        let mut search =
            Search { options: &options, watch: &mut watch, budget, n: tiles.n, most: 2, best: BTreeMap::new(), work: 0.0, rng };
        search.run_em(&tiles, truth, 1).unwrap();
        let before = search.work;
        search.conclude(&tiles).unwrap();
        (search.work - before) / step_work(&tiles, 2)
    };
    assert!((21.0..=MOST_STEPS as f64).contains(&work(1e12)), "overlapping modes take many steps: {}", work(1e12));
    assert_eq!(work(20.0 * 2.0 * 6000.0 * 5.0), 20.0);
    assert_eq!(work(0.0), STEPS as f64);
}
