//! From sums over groups to gradients, and from the total gradient to the next means.

use super::blend::Blending;
use super::entries::{OfSums, Sums};
use super::model::{Model, index};
use super::rows::{Form, Rows};
use crate::error::Result;
use crate::gpu::device::command::Dispatch;
use crate::gpu::device::context::Context;
use crate::gpu::device::kernels::Kernels;
use crate::gpu::device::params::Entry;
use crate::gpu::device::shaders::Kernel;
use crate::objective::divergence::Side;

/// The ends of the recorded lists.
pub struct Finish {
    /// (R, G, k, feature quads)
    pub group_gradients: wgpu::Buffer,
    /// (k)
    pub rates: wgpu::Buffer,
    /// After the rows' list with statistics: the gradient of every group.
    pub groups_list: Vec<Dispatch>,
    /// A whole step of descent: rows, totals, gradient, update. Of a device that has all samples.
    pub step_list: Vec<Dispatch>,
    /// A step of devices that share the samples.
    pub turn: Option<Turn>,
}

/// A step in two halves; between them the devices exchange the nodes of the tree over groups.
pub struct Turn {
    /// (nodes of all devices, quads of a node)
    pub nodes: wgpu::Buffer,
    /// Rows, and the nodes of this device.
    pub first_half: Vec<Dispatch>,
    /// Totals, gradient, update.
    pub second_half: Vec<Dispatch>,
    /// The second half of one step and the first one of the next.
    pub both: Vec<Dispatch>,
}

impl Finish {
    /// # Errors
    /// [`crate::Error::TooLarge`], [`crate::Error::DeviceLost`].
    pub fn new(context: &Context, kernels: &Kernels, model: &Model, rows: &Rows, form: Form, strata: Side) -> Result<Self> {
        let widths = model.widths;
        let quads = model.n_replicates * model.n_components[0] * widths.features;
        let n_groups = rows.groups.n_groups;
        let group_gradients = context.buffer("the gradients of all groups", (16 * quads * n_groups) as u64)?;
        let gradient = context.buffer("the gradient", (16 * quads) as u64)?;
        let rates = context.upload("rates", &vec![0f32; model.n_components[0]])?;
        let student = context.buffer("totals of coefficients", (16 * rows.n_pairs * widths.student) as u64)?;
        let teacher = context.buffer("totals of coefficients", (16 * rows.n_pairs * widths.teacher) as u64)?;
        let scattered = context.buffer("the total scattered gradient", if form.scatter { (16 * quads) as u64 } else { 0 })?;
        let score =
            context.buffer("totals of the score function", if form.mixes() { (16 * rows.n_pairs * widths.features) as u64 } else { 0 })?;
        let blending = form.mixes().then(|| Blending::new(context, kernels, model, rows, form.most_walls)).transpose()?;
        let bind = |kernel: Kernel, buffers: &[(&str, &wgpu::Buffer)]| kernels.bind(context, kernel, &rows.params, buffers);

        // A gradient from coefficients and scattered sums, for all groups or for their total.
        let ends = |sums: [&wgpu::Buffer; 4], out: &wgpu::Buffer, at: Entry, quads: usize| {
            let mut list = Vec::new();
            let terms = (4 * (model.n_components[0] + model.n_components[1])) as f64;
            if form.own_rows {
                let (means, origins) = (&model.means, &rows.origins);
                let buffers = [
                    ("student_sums", sums[0]),
                    ("teacher_sums", sums[1]),
                    ("student_means", &means[0]),
                    ("teacher_means", &means[1]),
                    ("student_origins", &origins[0]),
                    ("teacher_origins", &origins[1]),
                    ("weights", &model.weights[0]),
                    ("gradient", out),
                ];
                list.push(bind(Kernel::OwnRows, &buffers)?.dispatch(at, quads.div_ceil(64), 4.0 * terms * quads as f64)?);
            }
            if form.scatter {
                let buffers = [
                    ("sums", sums[2]),
                    ("coefficient_sums", sums[0]),
                    ("means", &model.means[0]),
                    ("origins", &rows.origins[0]),
                    ("strata_weights", &model.weights[index(strata)]),
                    ("gradient", out),
                ];
                list.push(bind(Kernel::Finish, &buffers)?.dispatch(at, quads.div_ceil(64), 4.0 * terms * quads as f64)?);
            }
            if let Some(blending) = &blending {
                list.extend(blending.list(context, kernels, model, n_groups, [sums[3], out], at == rows.entries.total)?);
            }
            Ok::<_, crate::Error>(list)
        };
        let of_groups = [&rows.coefficient_sums[0], &rows.coefficient_sums[1], &rows.scattered, &rows.score_sums];
        let totals = [&student, &teacher, &scattered, &score];
        let groups_list = ends(of_groups, &group_gradients, rows.entries.groups, quads * n_groups)?;
        let mut ending = ends(totals, &gradient, rows.entries.total, quads)?;
        let buffers = [("gradient", &gradient), ("rates", &rates), ("means", &model.means[0]), ("state", &model.state)];
        let update = bind(Kernel::Update, &buffers)?;
        ending.push(update.dispatch(rows.entries.total, quads.div_ceil(64), (8 * quads) as f64)?);

        // Totals of whatever the form has; the teacher's coefficients matter only to the part that rows own.
        let summed = |kernel: Kernel, from: [&wgpu::Buffer; 4], to: [&wgpu::Buffer; 4], leaves: usize, entries: OfSums| {
            let mut list = Vec::new();
            let mut sum = |sums: Sums, quads: usize| {
                let at = sums as usize;
                let bound = bind(kernel, &[("sums", from[at]), ("totals", to[at])])?;
                list.push(bound.dispatch(entries[at], quads.div_ceil(64), (4 * quads * leaves) as f64)?);
                Ok::<_, crate::Error>(())
            };
            sum(Sums::Student, rows.n_pairs * widths.student)?;
            if form.own_rows {
                sum(Sums::Teacher, rows.n_pairs * widths.teacher)?;
            }
            if form.scatter {
                sum(Sums::Scattered, quads)?;
            }
            if form.mixes() {
                sum(Sums::Score, rows.n_pairs * widths.features)?;
            }
            Ok::<_, crate::Error>(list)
        };
        let share = &rows.share;
        if share.groups.len() == n_groups {
            let all = summed(Kernel::Total, of_groups, totals, n_groups, rows.entries.totals)?;
            let step_list = [&rows.gradient_list[..], &all, &ending].concat();
            return Ok(Self { group_gradients, rates, groups_list, step_list, turn: None });
        }
        let nodes = context.buffer("the nodes of all devices", (16 * share.n_nodes * rows.nodes.quads) as u64)?;
        let mut first_half = rows.gradient_list.clone();
        for (leaves, entries) in share.nodes.iter().zip(&rows.entries.nodes) {
            first_half.extend(summed(Kernel::Total, of_groups, [&nodes; 4], leaves.len(), *entries)?);
        }
        let joined = summed(Kernel::Join, [&nodes; 4], totals, share.n_nodes, rows.entries.joins)?;
        let second_half = [joined, ending].concat();
        let both = [&second_half[..], &first_half].concat();
        let turn = Some(Turn { nodes, first_half, second_half, both });
        Ok(Self { group_gradients, rates, groups_list, step_list: Vec::new(), turn })
    }
}
