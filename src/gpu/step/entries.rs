//! The parameters of the kernels of an expectation: the uniform entries of every chunk, then those of the totals.

use super::buffers::{Spec, Terms};
use super::model::{Model, index};
use super::plan::{Chunk, Widths};
use crate::backend::share::OwnNodes;
use crate::gpu::device::params::{self, BothSides, Draws, Entry, Gradient, Totals};
use crate::objective::form;

/// The sums over groups that have totals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sums {
    Student,
    Teacher,
    Scattered,
    Score,
}

const SUMS: [Sums; 4] = [Sums::Student, Sums::Teacher, Sums::Scattered, Sums::Score];

/// The entries of one chunk.
pub(crate) struct OfChunk {
    pub draws: Entry,
    pub axes: Entry,
    /// For rows of either side.
    pub rows: [Entry; 2],
    /// For sums over either side's components.
    pub sums: [Entry; 2],
    /// For sums of statistics.
    pub statistics: Entry,
    /// For sums of the score-function form.
    pub score: Entry,
    /// For the fused kernel of either side.
    pub fused: [Entry; 2],
}

/// Entries of totals, indexed by [`Sums`].
pub(crate) type OfSums = [Entry; 4];

/// All entries, and the bytes that hold them.
pub(crate) struct Entries {
    pub bytes: Vec<u8>,
    pub chunks: Vec<OfChunk>,
    /// For the gradient of each group.
    pub groups: Entry,
    /// For the gradient of the total over all groups.
    pub total: Entry,
    /// For the total of each of the sums.
    pub totals: OfSums,
    /// For the same total from the nodes of all devices.
    pub joins: OfSums,
    /// For the totals over each node of this device.
    pub nodes: Vec<OfSums>,
}

/// The layout of a node of the tree over groups: totals of all sums, one after another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nodes {
    /// Quads of a node.
    pub quads: usize,
    /// The place of each of the sums.
    at: [usize; 4],
}

impl Nodes {
    pub(crate) fn new(model: &Model, n_pairs: usize, terms: Option<Terms>) -> Self {
        let Widths { features, student, teacher } = model.widths;
        let held = |yes: bool, quads: usize| if yes { quads } else { 0 };
        let student = held(terms.is_some(), n_pairs * student);
        let teacher = held(terms.is_some_and(|t| t.own_rows), n_pairs * teacher);
        let scattered = held(terms.is_some_and(|t| t.scatter), model.n_replicates * model.n_components[0] * features);
        let score = held(terms.is_some_and(|t| t.mixes()), n_pairs * features);
        let at = [0, student, student + teacher, student + teacher + scattered];
        Self { quads: at[3] + score, at }
    }
}

/// The inputs of the entries.
struct Expectation<'a> {
    model: &'a Model,
    spec: &'a Spec<'a>,
    terms: Terms,
    n_pairs: usize,
}

impl Entries {
    /// The entries of all `chunks`, and of the totals that `own_nodes` needs.
    pub(crate) fn new(model: &Model, spec: &Spec, own_nodes: &OwnNodes, nodes: Nodes, chunks: &[Chunk]) -> Self {
        let n_pairs = model.n_replicates * spec.n_strata;
        let terms = spec.terms.unwrap_or(Terms { stein: true, own_rows: false, scatter: false, extra: 0.0, most_walls: 0 });
        let of = Expectation { model, spec, terms, n_pairs };
        let mut entries = params::Entries::default();
        let chunks = chunks.iter().map(|chunk| of.chunk(&mut entries, chunk)).collect();
        let groups = entries.push(of.gradient(spec.groups.n_groups));
        let total = entries.push(of.gradient(1));
        let end_leaf = spec.groups.n_groups as u32;
        let all = SUMS.map(|sums| Totals { end_leaf, ..of.totals(sums) });
        let totals = all.map(|all| entries.push(all));
        let at = |sums: Sums| nodes.at[sums as usize];
        let joined = |sums: Sums| Totals {
            node_starts: own_nodes.starts,
            node_quads: nodes.quads as u32,
            node_at: at(sums) as u32,
            ..all[sums as usize]
        };
        let joins = SUMS.map(|sums| entries.push(joined(sums)));
        let of_node = |node: usize, leaves: &std::ops::Range<usize>, sums: Sums| Totals {
            first_leaf: leaves.start as u32,
            end_leaf: leaves.end as u32,
            totals_at: (node * nodes.quads + at(sums)) as u32,
            ..all[sums as usize]
        };
        let own = (own_nodes.first_node..).zip(&own_nodes.nodes);
        let nodes = own.map(|(node, leaves)| SUMS.map(|sums| entries.push(of_node(node, leaves, sums)))).collect();
        Self { bytes: entries.bytes, chunks, groups, total, totals, joins, nodes }
    }
}

impl Expectation<'_> {
    fn chunk(&self, entries: &mut params::Entries, chunk: &Chunk) -> OfChunk {
        let [student, teacher] = [0, 1].map(|side| self.model.quads(side));
        OfChunk {
            draws: entries.push(self.draws(chunk)),
            axes: entries.push(self.both_sides(chunk)),
            rows: [0, 1].map(|side| entries.push(self.rows(chunk, side))),
            sums: [(0, student), (1, teacher)].map(|(side, quads)| entries.push(self.sums(chunk, side, quads))),
            statistics: entries.push(self.sums(chunk, 0, 1)),
            score: entries.push(self.sums(chunk, 0, self.model.widths.features)),
            fused: [0, 1].map(|side| entries.push(self.fused(chunk, side))),
        }
    }

    fn n_strata(&self) -> u32 {
        self.spec.n_strata as u32
    }

    fn draws(&self, chunk: &Chunk) -> Draws {
        Draws {
            n_strata: self.n_strata(),
            feature_quads: self.model.widths.features as u32,
            rank: self.model.rank as u32,
            first_pair: chunk.first_pair as u32,
            n_pairs: chunk.n_pairs as u32,
            rows_per_pair: chunk.rows_per_pair as u32,
            first_sample: chunk.first_sample as u32,
            chunk_samples: chunk.n_samples as u32,
            sampler: match self.spec.draws {
                form::Draws::Grid(_) => 2,
                form::Draws::Antithetic(_) => 1,
                form::Draws::Independent(_) | form::Draws::Nets(_) => 0,
            },
            net_size: self.spec.net_size as u32,
        }
    }

    fn both_sides(&self, chunk: &Chunk) -> BothSides {
        BothSides { first_pair: chunk.first_pair as u32, n_pairs: chunk.n_pairs as u32, ..both_sides(self.model, self.n_pairs) }
    }

    fn rows(&self, chunk: &Chunk, side: usize) -> params::Rows {
        params::Rows {
            n_strata: self.n_strata(),
            n_components: self.model.n_components[side] as u32,
            component_quads: self.model.quads(side) as u32,
            feature_quads: self.model.widths.features as u32,
            side: side as u32,
            strata: index(self.spec.strata) as u32,
            all_pairs: self.n_pairs as u32,
            first_pair: chunk.first_pair as u32,
            n_pairs: chunk.n_pairs as u32,
            rows_per_pair: chunk.rows_per_pair as u32,
            stein: self.terms.stein as u32,
            zero: 0,
        }
    }

    fn sums(&self, chunk: &Chunk, side: usize, sum_quads: usize) -> params::Sums {
        params::Sums {
            n_strata: self.n_strata(),
            n_components: self.model.n_components[side] as u32,
            component_quads: self.model.quads(side) as u32,
            feature_quads: self.model.widths.features as u32,
            sum_quads: sum_quads as u32,
            first_pair: chunk.first_pair as u32,
            n_pairs: chunk.n_pairs as u32,
            rows_per_pair: chunk.rows_per_pair as u32,
            first_sample: chunk.first_sample as u32,
            chunk_samples: chunk.n_samples as u32,
            block_size: self.spec.block_size() as u32,
            group_size: self.spec.groups.group_size as u32,
            n_groups: self.spec.groups.n_groups as u32,
            stein: self.terms.stein as u32,
            extra: self.terms.extra,
        }
    }

    fn fused(&self, chunk: &Chunk, side: usize) -> params::Fused {
        params::Fused {
            component_quads: self.model.quads(side) as u32,
            side: side as u32,
            all_pairs: self.n_pairs as u32,
            first_pair: chunk.first_pair as u32,
            n_pairs: chunk.n_pairs as u32,
            rows_per_pair: chunk.rows_per_pair as u32,
            chunk_samples: chunk.n_samples as u32,
            block_size: self.spec.block_size() as u32,
            zero: 0,
        }
    }

    fn gradient(&self, out_groups: usize) -> Gradient {
        let pairs = self.spec.part.strata(self.n_pairs);
        Gradient {
            n_replicates: self.model.n_replicates as u32,
            n_strata: self.n_strata(),
            n_components: self.model.n_components[0] as u32,
            component_quads: self.model.widths.student as u32,
            teacher_components: self.model.n_components[1] as u32,
            teacher_quads: self.model.widths.teacher as u32,
            feature_quads: self.model.widths.features as u32,
            out_groups: out_groups as u32,
            n_samples: self.spec.groups.n_samples as u32,
            group_size: self.spec.groups.group_size as u32,
            are_nodes: self.spec.draws.is_grid() as u32,
            stein: self.terms.stein as u32,
            own_rows: self.terms.own_rows as u32,
            first_pair: pairs.start as u32,
            n_pairs: pairs.len() as u32,
        }
    }

    fn totals(&self, sums: Sums) -> Totals {
        let Widths { features, student, teacher } = self.model.widths;
        let (n_rows, quads) = match sums {
            Sums::Student => (self.n_pairs, student),
            Sums::Teacher => (self.n_pairs, teacher),
            Sums::Scattered => (self.model.n_replicates, self.model.n_components[0] * features),
            Sums::Score => (self.n_pairs, features),
        };
        Totals { n_rows: n_rows as u32, quads: quads as u32, n_groups: self.spec.groups.n_groups as u32, ..Totals::default() }
    }
}

/// For both mixtures, with no pairs yet.
pub(crate) fn both_sides(model: &Model, n_pairs: usize) -> BothSides {
    BothSides {
        n_strata: (n_pairs / model.n_replicates) as u32,
        n_components: model.n_components[0] as u32,
        component_quads: model.widths.student as u32,
        teacher_components: model.n_components[1] as u32,
        teacher_quads: model.widths.teacher as u32,
        feature_quads: model.widths.features as u32,
        rank: model.rank as u32,
        ..BothSides::default()
    }
}
