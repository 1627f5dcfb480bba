//! The devices, and the list of their tests.

use libtest_mimic::Failed;
use mixscore::backend::Backend;
use mixscore::gpu::{self, Gpu};
use mixscore::internals::gpu::{SHARINGS, Sharing};

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
    ("words are the host's, normals within 4 ULP", super::answers::words_and_normals, Shapes::Usual, On::Adapters),
    ("words of Sobol points are the host's, in every coordinate", super::answers::sobol_words, Shapes::Usual, On::Adapters),
    ("planted: Sobol points of another step, replicate or net are seen", super::answers::other_points, Shapes::Usual, On::Every),
    ("one set of bits for any row budget", super::bits::any_row_budget, Shapes::Usual, On::Adapters),
    ("one set of bits for any tiles, and in the checked mode", super::bits::checked_and_tiles, Shapes::Both, On::Adapters),
    ("one set of bits for replicates together or alone", super::bits::replicates_alone, Shapes::Both, On::Every),
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
    ("one set of bits for steps in one call or many", super::bits::steps_in_many_calls, Shapes::Usual, On::Every),
    ("a group of more samples than a chunk has is added up whole", super::answers::long_group, Shapes::Both, On::Every),
    ("means go out and in unchanged", super::answers::means_round_trip, Shapes::Usual, On::Every),
    ("p = q gives exactly zero", super::answers::zero_at_the_optimum, Shapes::Both, On::Every),
    ("what fits no binding is refused", super::answers::too_large, Shapes::Usual, On::Adapters),
    ("poisoned buffers change no bit, and no tail is overwritten", super::bits::poison, Shapes::Both, On::Adapters),
    ("planted: a write past the end and a number left out both show", super::bits::poison_shows, Shapes::Usual, On::Adapters),
    ("half precision is near single precision", super::answers::half_precision, Shapes::Both, On::Half),
    (
        "every way to share the fused kernel's work has the same bits, near those of one kernel after another",
        super::bits::any_sharing,
        Shapes::Usual,
        On::Adapters,
    ),
    ("what the tuner chooses is kept, and changes no bit", super::tuner::choices_are_kept, Shapes::Usual, On::Named),
    ("the check before every run passes", |which| Ok(mixscore::check::self_check(which.open().as_mut())?), Shapes::Both, On::Every),
    ("Gram matrices of polynomials are those of plain loops", super::polynomials::gram_matrices, Shapes::Both, On::Every),
    ("the reverse diffusion is that of plain loops", super::polynomials::reverse_diffusion, Shapes::Usual, On::Every),
    ("polynomials have one set of bits for any chunk, poisoned or checked", super::polynomials::any_chunk, Shapes::Both, On::Adapters),
];
