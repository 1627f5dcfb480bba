//! From sums over groups to gradients, and from the total gradient to the next means.

use super::blend::Blending;
use super::model::{Model, index};
use super::rows::{Entry, Form, Rows, Sums};
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::gpu::device::kernels::{Dispatch, Kernels};
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
        let bind = |name: &str, buffers: &[&wgpu::Buffer]| kernels.bind(context, name, &rows.params, buffers);

        // A gradient from coefficients and scattered sums, for all groups or for their total.
        let ends = |sums: [&wgpu::Buffer; 4], out: &wgpu::Buffer, entry: Entry, quads: usize| {
            let mut list = Vec::new();
            let at = rows.offset_of(entry);
            let terms = (4 * (model.n_components[0] + model.n_components[1])) as f64;
            if form.own_rows {
                let (means, origins) = (&model.means, &rows.origins);
                let buffers = [sums[0], sums[1], &means[0], &means[1], &origins[0], &origins[1], &model.weights[0], out];
                list.push(bind("own_rows", &buffers)?.dispatch(at, quads.div_ceil(64), 4.0 * terms * quads as f64)?);
            }
            if form.scatter {
                let weights = &model.weights[index(strata)];
                let buffers = [sums[2], sums[0], &model.means[0], &rows.origins[0], weights, out];
                list.push(bind("finish", &buffers)?.dispatch(at, quads.div_ceil(64), 4.0 * terms * quads as f64)?);
            }
            if let Some(blending) = &blending {
                list.extend(blending.list(context, kernels, model, n_groups, [sums[3], out], matches!(entry, Entry::Total(_)))?);
            }
            Ok::<_, crate::Error>(list)
        };
        let of_groups = [&rows.coefficient_sums[0], &rows.coefficient_sums[1], &rows.scattered, &rows.score_sums];
        let totals = [&student, &teacher, &scattered, &score];
        let groups_list = ends(of_groups, &group_gradients, Entry::Groups, quads * n_groups)?;
        let mut ending = ends(totals, &gradient, Entry::Total(Sums::Student), quads)?;
        let update = bind("update", &[&gradient, &rates, &model.means[0], &model.state])?;
        ending.push(update.dispatch(rows.offset_of(Entry::Total(Sums::Student)), quads.div_ceil(64), (8 * quads) as f64)?);

        // Totals of whatever the form has; the teacher's coefficients matter only to the part that rows own.
        let summed = |verb: &str, from: [&wgpu::Buffer; 4], to: [&wgpu::Buffer; 4], leaves: usize, entry: &dyn Fn(Sums) -> Entry| {
            let mut list = Vec::new();
            let mut sum = |sums: Sums, of: &str, quads: usize| {
                let bound = bind(&format!("{verb}_{of}"), &[from[sums as usize], to[sums as usize]])?;
                list.push(bound.dispatch(rows.offset_of(entry(sums)), quads.div_ceil(64), (4 * quads * leaves) as f64)?);
                Ok::<_, crate::Error>(())
            };
            sum(Sums::Student, "pairs", rows.n_pairs * widths.student)?;
            if form.own_rows {
                sum(Sums::Teacher, "pairs", rows.n_pairs * widths.teacher)?;
            }
            if form.scatter {
                sum(Sums::Scattered, "scattered", quads)?;
            }
            if form.mixes() {
                sum(Sums::Score, "pairs", rows.n_pairs * widths.features)?;
            }
            Ok::<_, crate::Error>(list)
        };
        let share = &rows.share;
        if share.groups.len() == n_groups {
            let all = summed("total", of_groups, totals, n_groups, &Entry::Total)?;
            let step_list = [&rows.gradient_list[..], &all, &ending].concat();
            return Ok(Self { group_gradients, rates, groups_list, step_list, turn: None });
        }
        let nodes = context.buffer("the nodes of all devices", (16 * share.n_nodes * rows.nodes.quads) as u64)?;
        let mut first_half = rows.gradient_list.clone();
        for (at, leaves) in share.nodes.iter().enumerate() {
            first_half.extend(summed("total", of_groups, [&nodes; 4], leaves.len(), &|sums| Entry::Node(at, sums))?);
        }
        let joined = summed("join", [&nodes; 4], totals, share.n_nodes, &Entry::Join)?;
        let second_half = [joined, ending].concat();
        let both = [&second_half[..], &first_half].concat();
        let turn = Some(Turn { nodes, first_half, second_half, both });
        Ok(Self { group_gradients, rates, groups_list, step_list: Vec::new(), turn })
    }
}
