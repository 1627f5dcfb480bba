//! The devices, and the tests that do not compare with the reference: words and normals, bit-identity, limits.

use libtest_mimic::Failed;
use mixscore::backend::Backend;
use mixscore::backend::{Rule, UnitProblem};
use mixscore::error::Error;
use mixscore::gpu::{self, Gpu};
use mixscore::internals::gpu::{SHARINGS, Sharing};
use mixscore::internals::random::normal_f64;
use mixscore::internals::random::philox;
use mixscore::internals::random::sobol;
use mixscore::objective::Draws;
use mixscore::objective::{Divergence, Estimator, Sampler, Side, Storage};
use mixscore::reference::Reference;

use super::cases::{Case, all};

/// A device under test.
#[derive(Clone)]
pub(crate) enum Which {
    Cpu,
    /// The index and the name of an adapter. `plain`: its usual kernels are those for subgroups of eight, and here it runs those that
    /// real GPUs run.
    Adapter {
        index: usize,
        name: String,
        plain: bool,
    },
}

/// The CPU backend and every adapter, in both shapes of the kernels where it has both.
pub(crate) fn devices() -> Vec<Which> {
    let shapes = |adapter: &gpu::Adapter| if Sharing::of(adapter) == Sharing::Spread { vec![false, true] } else { vec![false] };
    let adapters = gpu::adapters().into_iter().enumerate();
    let adapters = adapters.flat_map(|(index, adapter)| {
        shapes(&adapter).into_iter().map(move |plain| Which::Adapter { index, name: adapter.name.clone(), plain })
    });
    [Which::Cpu].into_iter().chain(adapters).collect()
}

impl Which {
    pub(crate) fn name(&self) -> String {
        match self {
            Which::Cpu => "cpu".into(),
            Which::Adapter { index, name, plain } => format!("gpu{index}[{name}]{}", if *plain { "[plain]" } else { "" }),
        }
    }

    /// Whether it runs kernels that are not its usual ones.
    pub(crate) fn plain(&self) -> bool {
        matches!(self, Which::Adapter { plain: true, .. })
    }

    pub(crate) fn open(&self) -> Box<dyn Backend> {
        match self {
            Which::Cpu => Box::new(mixscore::cpu::Cpu::new()),
            Which::Adapter { .. } => Box::new(self.gpu()),
        }
    }

    pub(crate) fn gpu(&self) -> Gpu {
        self.together(1)
    }

    /// So many devices of the adapter, which share out the work.
    pub(crate) fn together(&self, n: usize) -> Gpu {
        match self {
            Which::Cpu => unreachable!("asked of adapters only"),
            Which::Adapter { index, plain, .. } => {
                let gpu = gpu::open_together(&vec![*index; n]).unwrap();
                if *plain { gpu.with_sharing(Some(SHARINGS[0])) } else { gpu }
            }
        }
    }
}

type Test = fn(&Which) -> Result<(), Failed>;

/// On which shapes of an adapter's kernels a test is run.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Shapes {
    /// Those whose text depends on the shape take part: products, sums over rows, the fused kernel.
    Both,
    /// They do not, or the test sees to the shapes itself.
    Usual,
}

/// Which devices a test is for; others list it as ignored.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum On {
    Every,
    Adapters,
    /// Adapters with half precision.
    Half,
    /// Adapters that the command line has a name for.
    Named,
}

impl On {
    pub(crate) fn has(self, which: &Which) -> bool {
        let Which::Adapter { index, .. } = which else { return self == On::Every };
        let all = gpu::adapters();
        match self {
            On::Every | On::Adapters => true,
            On::Half => all[*index].half_precision,
            On::Named => !all[*index].software || all.iter().position(|a| a.software) == Some(*index),
        }
    }
}

/// Tests of each device by name.
pub(crate) const TESTS: [(&str, Test, Shapes, On); 34] = [
    ("words are the host's, normals within 4 ULP", words_and_normals, Shapes::Usual, On::Adapters),
    ("words of Sobol points are the host's, in every coordinate", sobol_words, Shapes::Usual, On::Adapters),
    ("planted: Sobol points of another step, replicate or net are seen", other_points, Shapes::Usual, On::Every),
    ("one set of bits for any row budget", any_row_budget, Shapes::Usual, On::Adapters),
    ("one set of bits for any tiles, and in the checked mode", checked_and_tiles, Shapes::Both, On::Adapters),
    ("one set of bits for replicates together or alone", replicates_alone, Shapes::Both, On::Every),
    ("one set of bits on one device or on two that share replicates", super::devices::shared_replicates, Shapes::Usual, On::Adapters),
    ("one set of bits on one device or on several that share strata", super::devices::shared_strata, Shapes::Usual, On::Adapters),
    ("one set of bits on one device or on several that share samples", super::devices::shared_samples, Shapes::Usual, On::Adapters),
    ("one set of bits on devices that share a replicate, in every mode", super::devices::shared_in_all_modes, Shapes::Both, On::Adapters),
    ("the same in half precision", super::devices::shared_in_half_precision, Shapes::Both, On::Half),
    ("planted: a device's share that is left out or counted twice shows", super::devices::planted_shares, Shapes::Usual, On::Adapters),
    ("energies of strata are those of plain loops", super::strata::energies_are_those_of_plain_loops, Shapes::Both, On::Every),
    ("chosen strata are measured as on the CPU", super::strata::chosen_strata_are_measured, Shapes::Usual, On::Adapters),
    ("work stops when it is told to", super::strata::work_stops_when_told, Shapes::Usual, On::Adapters),
    ("auto mixes both forms of a row as the reference does", super::mix::agrees, Shapes::Both, On::Every),
    ("auto of a student far from all teachers is not led by rounding", super::mix::far_from_teachers, Shapes::Both, On::Every),
    ("auto has one set of bits for any ranges, on one device or several", super::mix::one_set_of_bits, Shapes::Usual, On::Adapters),
    ("planted: another mix of the forms is seen", super::mix::planted, Shapes::Usual, On::Every),
    ("auto is unbiased, with less noise than Stein's form and the errors it claims", super::mix::less_noise, Shapes::Usual, On::Every),
    ("one set of bits for steps in one call or many", steps_in_many_calls, Shapes::Usual, On::Every),
    ("a group of more samples than a chunk has is added up whole", long_group, Shapes::Both, On::Every),
    ("means go out and in unchanged", means_round_trip, Shapes::Usual, On::Every),
    ("p = q gives exactly zero", zero_at_the_optimum, Shapes::Both, On::Every),
    ("what fits no binding is refused", too_large, Shapes::Usual, On::Adapters),
    ("poisoned buffers change no bit, and no tail is overwritten", poison, Shapes::Both, On::Adapters),
    ("planted: a write past the end and a number left out both show", poison_shows, Shapes::Usual, On::Adapters),
    ("half precision is near single precision", half_precision, Shapes::Both, On::Half),
    (
        "every way to share the fused kernel's work has the same bits, near those of one kernel after another",
        any_sharing,
        Shapes::Usual,
        On::Adapters,
    ),
    ("what the tuner chooses is kept, and changes no bit", super::tuner::choices_are_kept, Shapes::Usual, On::Named),
    ("the check before every run passes", |which| Ok(mixscore::check::self_check(which.open().as_mut())?), Shapes::Both, On::Every),
    ("Gram matrices of polynomials are those of plain loops", super::polynomials::gram_matrices, Shapes::Both, On::Every),
    ("the reverse diffusion is that of plain loops", super::polynomials::reverse_diffusion, Shapes::Usual, On::Every),
    ("polynomials have one set of bits for any chunk, poisoned or checked", super::polynomials::any_chunk, Shapes::Both, On::Adapters),
];

fn words_and_normals(which: &Which) -> Result<(), Failed> {
    let key = [0x1234_5678, 0x9abc_def0];
    let n = 1 << 18; // four words each
    let (words, normals) = which.gpu().words(key, n)?;
    let mut worst = 0.0f64;
    for i in 0..n {
        let want = philox([i as u32, 1, 2, 3], key);
        if words[i] != want {
            return Err(format!("counter {i}: words {:x?} instead of {want:x?}", words[i]).into());
        }
        for (word, z) in want.iter().zip(normals[i]) {
            let exact = normal_f64(*word);
            let ulp = f64::from((exact.abs() as f32).next_up() - exact.abs() as f32);
            let err = (f64::from(z) - exact).abs() / ulp;
            // A NaN takes the place of any number.
            worst = if worst.is_nan() || worst >= err { worst } else { err }; // NaN stays
        }
    }
    if worst <= 4.0 { Ok(()) } else { Err(format!("normals: {worst} ULP").into()) }
}

/// Every coordinate that has direction numbers, and every digit of a long net; a table with one wrong bit is not the host's.
fn sobol_words(which: &Which) -> Result<(), Failed> {
    let (key, mut gpu) = ([0x1234_5678, 0x9abc_def0], which.gpu());
    for (n_nets, net_size, quads) in [(2, 4, sobol::COORDINATES / 4), (1, 1 << 13, 5), (3, 1, 2)] {
        let got = gpu.sobol_words(key, n_nets, net_size, quads)?;
        let want = |sample: usize, c: usize| sobol::word(key, 3, 5, (sample / net_size) as u32, (sample % net_size) as u32, c);
        for (at, words) in got.iter().enumerate() {
            let (sample, quad) = (at / quads, at % quads);
            for (lane, word) in words.iter().enumerate() {
                if *word != want(sample, 4 * quad + lane) {
                    return Err(format!("sample {sample} of nets of {net_size}, coordinate {}: {word:x}", 4 * quad + lane).into());
                }
            }
        }
        if net_size > 1 && got[quads][0] == want(0, 0) {
            return Err("planted: another point has the same word".into());
        }
    }
    Ok(())
}

/// What the comparison with the reference must catch: points that are as good, but not the ones.
fn other_points(which: &Which) -> Result<(), Failed> {
    let case = Case { n_samples: 256, ..all()[3].clone() };
    let gradient = |backend: &mut dyn Backend, problem: &UnitProblem, step: u64| -> Result<Vec<f64>, Failed> {
        let mut session = backend.open(problem)?;
        session.set(&case.means(1))?;
        Ok(session.gradient(step)?.group_gradients)
    };
    let problem = case.problem(1, Divergence::Reverse, Estimator::Pathwise, Sampler::Sobol);
    let want = gradient(&mut Reference, &problem, 5)?;
    super::within("the same points", super::normwise(&gradient(&mut *which.open(), &problem, 5)?, &want), 1e-4)?;
    let other = UnitProblem { first_replicate: 4, ..problem.clone() };
    let faults = [gradient(&mut *which.open(), &problem, 6)?, gradient(&mut *which.open(), &other, 5)?, {
        let row = case.k * case.rank;
        let mut nets = want.clone();
        nets[..2 * row].rotate_left(row); // two nets in each other's place
        nets
    }];
    for (at, fault) in faults.iter().enumerate() {
        if super::within("", super::normwise(fault, &want), 1e-3).is_ok() {
            return Err(format!("planted fault {at} passed").into());
        }
    }
    Ok(())
}

/// A problem that needs several chunks and groups of several blocks.
pub(crate) fn long_case() -> Case {
    Case { n_samples: 9000, k: 3, n_teachers: 2, ..all()[3].clone() }
}

pub(crate) const FORMS: [(Divergence, Estimator); 5] = [
    (Divergence::Reverse, Estimator::Stein),
    (Divergence::Reverse, Estimator::Pathwise),
    (Divergence::Reverse, Estimator::ScoreFunction),
    (Divergence::Forward, Estimator::Stein),
    (Divergence::Reverse, Estimator::Auto),
];

/// Gradients, statistics and metrics of a case, and the means after two steps, as one list of numbers.
fn everything(backend: &mut dyn Backend, case: &Case, form: (Divergence, Estimator), sampler: Sampler) -> Result<Vec<f64>, Failed> {
    let mut session = backend.open(&case.problem(3, form.0, form.1, sampler))?;
    session.set(&case.means(3))?;
    let gradient = session.gradient(2)?;
    let measure = session.measure(Side::Teacher, None, 700, 1)?;
    session.descend(0, 2, &Rule::new(0.1, false))?;
    Ok([gradient.group_gradients, gradient.half_square, measure.log_ratio, measure.excess, session.parameters()?].concat())
}

pub(crate) fn same_bits(what: &str, a: &[f64], b: &[f64]) -> Result<(), Failed> {
    let differ = a.iter().zip(b).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    if a.len() == b.len() && !a.is_empty() && differ == 0 { Ok(()) } else { Err(format!("{what}: {differ} of {} differ", a.len()).into()) }
}

fn any_row_budget(which: &Which) -> Result<(), Failed> {
    same_as_usual(which, &long_case(), [256, 20_000].map(|rows| (format!("{rows} rows"), which.gpu().with_row_budget(rows))))
}

/// Checked kernels, and tiles of products: a tuner chooses among them.
fn checked_and_tiles(which: &Which) -> Result<(), Failed> {
    let shorter = Case { n_samples: 1500, ..long_case() };
    same_as_usual(which, &shorter, [("checked".into(), which.gpu().checked())])?;
    let wide = Case { k: 36, n_samples: 8, ..all()[7].clone() };
    let mut tiles = [32, 64].map(|columns| which.gpu().with_tiles(columns));
    for form in [FORMS[1], FORMS[3]] {
        let [narrow, wide] = tiles.each_mut().map(|gpu| everything(gpu, &wide, form, Sampler::Philox));
        same_bits(&format!("{form:?}, tiles of 32 columns"), &narrow?, &wide?)?;
    }
    Ok(())
}

/// Each of `others` finds what the adapter finds as it is opened: in every form, on this problem and a short one, for Sobol points too.
fn same_as_usual<const N: usize>(which: &Which, long: &Case, mut others: [(String, Gpu); N]) -> Result<(), Failed> {
    let mut usual = which.gpu();
    let random = FORMS.into_iter().flat_map(|form| [(form, long.clone(), Sampler::Philox), (form, all()[2].clone(), Sampler::Philox)]);
    for (form, case, sampler) in random.chain([FORMS[0], FORMS[1]].map(|form| (form, long.clone(), Sampler::Sobol))) {
        let want = everything(&mut usual, &case, form, sampler)?;
        for (name, gpu) in &mut others {
            same_bits(&format!("{form:?} {sampler:?}, {name}"), &everything(gpu, &case, form, sampler)?, &want)?;
        }
    }
    Ok(())
}

fn replicates_alone(which: &Which) -> Result<(), Failed> {
    let case = all()[2].clone();
    let others = FORMS.into_iter().flat_map(|f| [(f, Sampler::Philox), (f, Sampler::Grid)]);
    for (form, sampler) in others.chain([(FORMS[0], Sampler::Sobol), (FORMS[3], Sampler::Sobol), (FORMS[4], Sampler::Antithetic)]) {
        let mut backend = which.open();
        let together = case.problem(3, form.0, form.1, sampler);
        let (means, rule) = (case.means(3), Rule::new(0.05, false));
        let mut session = backend.open(&together)?;
        session.set(&means)?;
        session.descend(4, 2, &rule)?;
        let want = session.parameters()?;
        let (row, teacher_row) = (case.k * case.rank, case.n_teachers * case.rank);
        let mut got = Vec::new();
        for r in 0..3 {
            let mut alone = together.clone();
            alone.n_replicates = 1;
            alone.first_replicate += r as u32;
            alone.teacher_means = together.teacher_means[r * teacher_row..(r + 1) * teacher_row].to_vec();
            let mut session = backend.open(&alone)?;
            session.set(&means[r * row..(r + 1) * row])?;
            session.descend(4, 2, &rule)?;
            got.extend(session.parameters()?);
        }
        same_bits(&format!("{form:?} {sampler:?}"), &got, &want)?;
    }
    Ok(())
}

fn steps_in_many_calls(which: &Which) -> Result<(), Failed> {
    let case = all()[2].clone();
    for (form, sampler) in FORMS.into_iter().flat_map(|f| [(f, Sampler::Antithetic), (f, Sampler::Grid)]) {
        let mut backend = which.open();
        let mut ends = Vec::new();
        for cuts in [vec![6], vec![1, 2, 3]] {
            let mut session = backend.open(&case.problem(2, form.0, form.1, sampler))?;
            session.set(&case.means(2))?;
            let mut step = 7;
            for n in cuts {
                session.descend(step, n, &Rule::new(0.05, false))?;
                step += n;
                let means = session.parameters()?;
                session.set(&means)?;
            }
            ends.push(session.parameters()?);
        }
        same_bits(&format!("{form:?} {sampler:?}"), &ends[0], &ends[1])?;
    }
    Ok(())
}

/// The nodes of a grid are one group: so many that one workgroup cannot take them all (Mesa's software Vulkan ends its loops).
fn long_group(which: &Which) -> Result<(), Failed> {
    let means = [0.0, 0.5, 6.4, 0.0, 0.0, 6.4];
    let case = Case { k: 3, n_teachers: 3, rank: 2, ..all()[2].clone() };
    for form in &FORMS[..4] {
        let problem =
            UnitProblem { draws: Draws::Grid(None), teacher_means: means.to_vec(), ..case.problem(1, form.0, form.1, Sampler::Grid) };
        let start: Vec<f64> = means.iter().zip(case.means(1)).map(|(m, off)| m + 0.3 * off).collect();
        let gradient = |mut backend: Box<dyn Backend>| -> Result<_, Failed> {
            let mut session = backend.open(&problem)?;
            session.set(&start)?;
            Ok(session.gradient(0)?)
        };
        let (got, want) = (gradient(which.open())?, gradient(Box::new(Reference))?);
        if want.groups[0].n_samples < 50_000 {
            return Err(format!("{} nodes: too few to show anything", want.groups[0].n_samples).into());
        }
        super::within(&format!("{form:?}"), super::normwise(&got.group_gradients, &want.group_gradients), 1e-4)?;
    }
    Ok(())
}

fn means_round_trip(which: &Which) -> Result<(), Failed> {
    let case = all()[4].clone();
    let mut backend = which.open();
    let mut session = backend.open(&case.problem(2, Divergence::Reverse, Estimator::Stein, Sampler::Philox))?;
    session.set(&case.means(2))?;
    let first = session.parameters()?;
    session.set(&first)?;
    same_bits("means", &session.parameters()?, &case.means(2))
}

fn zero_at_the_optimum(which: &Which) -> Result<(), Failed> {
    let case = Case { k: 5, n_teachers: 5, ..all()[4].clone() };
    let mut backend = which.open();
    for form in FORMS {
        let problem = case.problem(1, form.0, form.1, Sampler::Philox);
        let mut session = backend.open(&problem)?;
        session.set(&problem.teacher_means)?;
        let sums = session.gradient(1)?;
        let largest = sums.group_gradients.iter().chain(&sums.half_square).fold(0.0f64, |a, v| if v.abs() <= a { a } else { v.abs() });
        // Both sides are the same sums of the same numbers by the same kernels.
        super::within(&format!("{form:?}"), largest, 0.0)?;
    }
    Ok(())
}

fn half_precision(which: &Which) -> Result<(), Failed> {
    let mut gpu = which.gpu();
    let samplers = [Sampler::Antithetic, Sampler::Sobol];
    for ((form, at), sampler) in FORMS.into_iter().flat_map(|f| [(f, 2), (f, 4)]).zip(samplers.into_iter().cycle()) {
        let case = all()[at].clone();
        let single = case.problem(2, form.0, form.1, sampler);
        let single = UnitProblem { draws: super::cases::draws(sampler, 512), ..single };
        let half = UnitProblem { storage: Storage::F16, ..single.clone() };
        let mut gradients = Vec::new();
        for problem in [&single, &half] {
            let mut session = gpu.open(problem)?;
            session.set(&case.means(2))?;
            gradients.push(session.gradient(3)?.group_gradients);
        }
        // Each coordinate of a draw is rounded by up to 2⁻¹¹ of its size.
        super::within(&format!("{form:?} {sampler:?}"), super::normwise(&gradients[1], &gradients[0]), 2e-3)?;
        if gradients[0] == gradients[1] {
            return Err("half precision changed nothing: was it used?".into());
        }
    }
    Ok(())
}

/// Every buffer starts as NaN and ends in a canary: what no kernel writes would show in the results.
fn poison(which: &Which) -> Result<(), Failed> {
    let forms = FORMS.into_iter().map(|form| (form, Sampler::Philox));
    let (mut clean, mut poisoned) = (which.gpu(), which.gpu().poisoned().with_row_budget(256));
    for (form, sampler) in forms.chain([(FORMS[0], Sampler::Grid), (FORMS[3], Sampler::Antithetic), (FORMS[0], Sampler::Sobol)]) {
        for at in [0, 2, 4] {
            let case = all()[at].clone();
            if sampler == Sampler::Grid && case.rank > 2 {
                continue;
            }
            let want = everything(&mut clean, &case, form, sampler)?;
            let got = everything(&mut poisoned, &case, form, sampler)?;
            same_bits(&format!("{form:?} {sampler:?} {}", case.name), &got, &want)?;
            untouched(&poisoned)?;
        }
    }
    Ok(())
}

fn untouched(gpu: &Gpu) -> Result<(), Failed> {
    let overwritten = gpu.overwritten()?;
    if overwritten.is_empty() { Ok(()) } else { Err(format!("written past the end: {overwritten:?}").into()) }
}

/// The canary and the poison must catch a kernel that was told one row too many or one too few.
fn poison_shows(which: &Which) -> Result<(), Failed> {
    let (n, values) = (100, vec![[1.0f32; 4]; 101]);
    for (told, tail, complete) in [(n, true, true), (n + 1, false, true), (n - 1, true, false)] {
        let mut gpu = which.gpu().poisoned();
        let got = gpu.copied(&values, n, told)?;
        let numbers = got.iter().flatten().all(|v| *v == 1.0);
        if untouched(&gpu).is_ok() != tail || numbers != complete {
            return Err(format!("told {told} of {n}: the tail or the poison did not show it").into());
        }
    }
    Ok(())
}

/// A problem that no adapter holds is refused with figures, before memory is taken.
fn too_large(which: &Which) -> Result<(), Failed> {
    let case = Case { k: 1, n_teachers: 1, rank: 1 << 22, ..all()[0].clone() };
    match which.open().open(&case.problem(1, Divergence::Reverse, Estimator::Stein, Sampler::Philox)) {
        Err(Error::TooLarge { .. }) => Ok(()),
        Err(other) => Err(format!("another error: {other}").into()),
        Ok(_) => Err("it was accepted".into()),
    }
}

/// Three steps of descent with each way of sharing that the adapter has, and with the kernels one after another.
fn any_sharing(which: &Which) -> Result<(), Failed> {
    let cases = [all()[2].clone(), all()[4].clone(), Case { rank: 64, k: 9, n_samples: 300, ..all()[4].clone() }, all()[7].clone()];
    // The default mixes two forms, by fused kernels of its own. (One kernel after another, it needs sums over a row's coordinates.)
    let auto = cases.iter().filter(|case| case.rank <= 64).map(|case| (case, Estimator::Auto));
    for (case, estimator) in cases.iter().map(|case| (case, Estimator::Stein)).chain(auto) {
        let problem = case.problem(2, Divergence::Reverse, estimator, Sampler::Philox);
        let descend = |sharing: Option<Sharing>| -> Result<(Vec<f64>, Vec<f64>), Failed> {
            let mut session = which.gpu().with_sharing(sharing).open(&problem)?;
            session.set(&case.means(2))?;
            session.descend(3, 3, &Rule::new(0.1, false))?;
            let means = session.parameters()?;
            session.set(&case.means(2))?; // the same for all: means after steps of one way are not another's
            Ok((means, session.gradient(4)?.group_gradients))
        };
        let apart = descend(None)?;
        let mut first: Option<Vec<f64>> = None;
        for sharing in SHARINGS.into_iter().filter(|s| s.runs_on(which.gpu().adapter())) {
            let got = descend(Some(sharing))?;
            // The fused kernel adds in its own order; products are the same sums for any tile.
            super::within(&format!("{}, {estimator:?}, {sharing:?}", case.name), super::normwise(&got.0, &apart.0), 1e-6)?;
            same_bits(&format!("fused, {}, {sharing:?}", case.name), &got.0, first.get_or_insert_with(|| got.0.clone()))?;
            super::within(&format!("{}, {estimator:?}, {sharing:?}", case.name), super::normwise(&got.1, &apart.1), 1e-6)?;
            // Kernels for machines with subgroups of eight add up a row in their own order.
            if sharing != Sharing::Spread {
                same_bits(&format!("{}, {sharing:?}", case.name), &got.1, &apart.1)?;
            }
        }
    }
    Ok(())
}
