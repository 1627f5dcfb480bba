//! From sums over groups to gradients, and from the total gradient to the next means.

use std::ops::Range;

use super::blend::Blending;
use super::buffers::Terms;
use super::entries::{OfSums, Sums};
use super::model::{Model, index};
use super::recording::Recording;
use super::rows::Rows;
use crate::error::Result;
use crate::gpu::device::command::{Bound, Dispatch};
use crate::gpu::device::context::Context;
use crate::gpu::device::kernels::Kernels;
use crate::gpu::device::params::Entry;
use crate::gpu::device::shaders::Kernel;
use crate::objective::divergence::Side;

/// The dispatches that follow the sums over groups.
pub(crate) struct Finish {
    /// (R, G, k, feature quads)
    pub group_gradients: wgpu::Buffer,
    /// The gradient of every group, from the sums of a recording with statistics.
    pub groups_list: Vec<Dispatch>,
    pub step: Step,
}

/// A step of descent. Devices that divide a step do its first half, exchange their results, and all do the same second half. If they divide
/// samples, the results are nodes of the tree over groups; otherwise they are rows of the next means. A single device has no second half.
pub(crate) struct Step {
    /// From the means to this device's results.
    pub begin: Vec<Dispatch>,
    /// From the results of all devices to the next means.
    pub end: Vec<Dispatch>,
    /// The results: (nodes of all devices, quads of a node), or the means (R, k, feature quads).
    pub shared: wgpu::Buffer,
    /// This device's numbers in `shared`.
    pub own: Range<usize>,
}

impl Finish {
    /// Allocates and binds what follows the sums over groups.
    pub(crate) fn new(
        context: &Context,
        kernels: &Kernels,
        model: &Model,
        recording: &Recording,
        terms: Terms,
        strata: Side,
    ) -> Result<Self> {
        let rows = &recording.rows;
        let blending = terms.mixes().then(|| Blending::new(context, kernels, model, rows, terms.most_walls)).transpose()?;
        let ends = Ends { context, kernels, model, rows, terms, strata, blending };
        let width = 16 * ends.quads();
        let group_gradients = context.buffer("the gradients of all groups", (width * rows.groups.n_groups) as u64)?;
        let groups_list = ends.gradient(&ends.of_groups(), &group_gradients, rows.entries.groups)?;
        let gradient = context.buffer("the gradient", width as u64)?;
        let totals = ends.buffers_of_totals()?;
        let mut ending = ends.gradient(&totals, &gradient, rows.entries.total)?;
        ending.push(ends.update(&gradient)?);
        let step = ends.step(&recording.gradient, &totals, ending)?;
        Ok(Self { group_gradients, groups_list, step })
    }
}

/// The inputs of the lists' ends.
struct Ends<'a> {
    context: &'a Context,
    kernels: &'a Kernels,
    model: &'a Model,
    rows: &'a Rows,
    terms: Terms,
    strata: Side,
    blending: Option<Blending>,
}

impl Ends<'_> {
    /// Quads of a gradient.
    fn quads(&self) -> usize {
        self.model.n_replicates * self.model.n_components[0] * self.model.widths.features
    }

    fn bind(&self, kernel: Kernel, buffers: &[(&str, &wgpu::Buffer)]) -> Result<Bound> {
        self.kernels.bind(self.context, kernel, &self.rows.params, buffers)
    }

    /// The sums of this form, and the quads of each per group. The teacher's coefficients only enter the part of a row from its own
    /// stratum.
    fn sums(&self) -> impl Iterator<Item = (Sums, usize)> {
        let (terms, n_pairs, widths) = (self.terms, self.rows.n_pairs, self.model.widths);
        let all = [
            (Sums::Student, true, n_pairs * widths.student),
            (Sums::Teacher, terms.own_rows, n_pairs * widths.teacher),
            (Sums::Scattered, terms.scatter, self.quads()),
            (Sums::Score, terms.mixes(), n_pairs * widths.features),
        ];
        all.into_iter().filter(|(_, held, _)| *held).map(|(sums, _, quads)| (sums, quads))
    }

    /// Sums over groups, in the order of [`Sums`].
    fn of_groups(&self) -> [wgpu::Buffer; 4] {
        let [student, teacher] = &self.rows.coefficient_sums;
        [student, teacher, &self.rows.scattered, &self.rows.score_sums].map(wgpu::Buffer::clone)
    }

    /// Buffers for the totals of the sums.
    fn buffers_of_totals(&self) -> Result<[wgpu::Buffer; 4]> {
        let bytes = |sums: Sums| self.sums().find(|(held, _)| *held == sums).map_or(0, |(_, quads)| 16 * quads as u64);
        let buffer = |label, sums| self.context.buffer(label, bytes(sums));
        Ok([
            buffer("totals of coefficients", Sums::Student)?,
            buffer("totals of coefficients", Sums::Teacher)?,
            buffer("the total scattered gradient", Sums::Scattered)?,
            buffer("totals of the score function", Sums::Score)?,
        ])
    }

    /// A gradient from coefficients and scattered sums, of all groups or of their total.
    fn gradient(&self, sums: &[wgpu::Buffer; 4], out: &wgpu::Buffer, at: Entry) -> Result<Vec<Dispatch>> {
        let (model, rows, terms) = (self.model, self.rows, self.terms);
        let is_total = at == rows.entries.total;
        let n_groups = rows.groups.n_groups;
        let quads = self.quads() * if is_total { 1 } else { n_groups };
        let [student, teacher, scattered, score] = sums;
        let operations = (16 * (model.n_components[0] + model.n_components[1]) * quads) as f64;
        let mut list = Vec::new();
        if terms.own_rows {
            let ([near, far], [student_means, teacher_means]) = (&rows.origins, &model.means);
            let buffers = [
                ("student_sums", student),
                ("teacher_sums", teacher),
                ("student_means", student_means),
                ("teacher_means", teacher_means),
                ("student_origins", near),
                ("teacher_origins", far),
                ("weights", &model.weights[0]),
                ("gradient", out),
            ];
            list.push(self.bind(Kernel::OwnRows, &buffers)?.dispatch(at, quads.div_ceil(64), operations)?);
        }
        if terms.scatter {
            let buffers = [
                ("sums", scattered),
                ("coefficient_sums", student),
                ("means", &model.means[0]),
                ("origins", &rows.origins[0]),
                ("strata_weights", &model.weights[index(self.strata)]),
                ("gradient", out),
            ];
            list.push(self.bind(Kernel::Finish, &buffers)?.dispatch(at, quads.div_ceil(64), operations)?);
        }
        if let Some(blending) = &self.blending {
            list.extend(blending.list(self.context, self.kernels, model, n_groups, [score, out], is_total)?);
        }
        Ok(list)
    }

    fn update(&self, gradient: &wgpu::Buffer) -> Result<Dispatch> {
        let Model { rates, means, state, .. } = self.model;
        let quads = self.quads();
        let bound = self.bind(Kernel::Update, &[("gradient", gradient), ("rates", rates), ("means", &means[0]), ("state", state)])?;
        bound.dispatch(self.rows.entries.total, quads.div_ceil(64), (8 * quads) as f64)
    }

    /// Every sum added over `leaves` groups or nodes.
    fn summed(
        &self,
        kernel: Kernel,
        from: [&wgpu::Buffer; 4],
        to: [&wgpu::Buffer; 4],
        leaves: usize,
        entries: &OfSums,
    ) -> Result<Vec<Dispatch>> {
        let of = |(sums, quads): (Sums, usize)| {
            let at = sums as usize;
            let bound = self.bind(kernel, &[("sums", from[at]), ("totals", to[at])])?;
            bound.dispatch(entries[at], quads.div_ceil(64), (4 * quads * leaves) as f64)
        };
        self.sums().map(of).collect()
    }

    /// A step: the rows' dispatches, the sums into `totals`, then `ending`.
    fn step(&self, rows_list: &[Dispatch], totals: &[wgpu::Buffer; 4], ending: Vec<Dispatch>) -> Result<Step> {
        let (rows, of_groups) = (self.rows, self.of_groups());
        let (own_nodes, n_groups) = (&rows.own_nodes, rows.groups.n_groups);
        let mut begin = rows_list.to_vec();
        if own_nodes.groups.len() == n_groups {
            begin.extend(self.summed(Kernel::Total, of_groups.each_ref(), totals.each_ref(), n_groups, &rows.entries.totals)?);
            begin.extend(ending);
            let row = 4 * self.model.widths.features;
            let own = rows.part.strata(self.model.n_replicates * self.model.n_components[0]);
            return Ok(Step { begin, end: Vec::new(), shared: self.model.means[0].clone(), own: own.start * row..own.end * row });
        }
        let node = 4 * rows.nodes.quads;
        let nodes = self.context.buffer("the nodes of all devices", (4 * own_nodes.n_nodes * node) as u64)?;
        for (leaves, entries) in own_nodes.nodes.iter().zip(&rows.entries.nodes) {
            begin.extend(self.summed(Kernel::Total, of_groups.each_ref(), [&nodes; 4], leaves.len(), entries)?);
        }
        let mut end = self.summed(Kernel::Join, [&nodes; 4], totals.each_ref(), own_nodes.n_nodes, &rows.entries.joins)?;
        end.extend(ending);
        let own = own_nodes.first_node * node..(own_nodes.first_node + own_nodes.nodes.len()) * node;
        Ok(Step { begin, end, shared: nodes, own })
    }
}
