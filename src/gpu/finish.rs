//! From sums over groups to gradients, and from the total gradient to the next means.

use super::context::Context;
use super::kernels::{Dispatch, Kernels};
use super::model::{Model, index};
use super::rows::{Entry, Form, Rows};
use crate::error::Result;
use crate::objective::divergence::Side;

/// The ends of the recorded lists.
pub struct Finish {
    /// (R, G, k, feature quads)
    pub group_gradients: wgpu::Buffer,
    /// Numbers in it, padding included.
    pub n_numbers: usize,
    /// (k)
    pub rates: wgpu::Buffer,
    /// After the rows' list with statistics: the gradient of every group.
    pub groups_list: Vec<Dispatch>,
    /// A whole step of descent: rows, totals, gradient, update.
    pub step_list: Vec<Dispatch>,
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
        let bind = |name: &str, buffers: &[&wgpu::Buffer]| kernels.bind(context, name, &rows.params, buffers);

        // A gradient from coefficients and scattered sums, for all groups or for their total.
        let ends = |sums: [&wgpu::Buffer; 3], out: &wgpu::Buffer, entry: Entry, quads: usize| {
            let mut list = Vec::new();
            let at = rows.offset_of(entry);
            let terms = (4 * (model.n_components[0] + model.n_components[1])) as f64;
            if form.own_rows {
                let (means, origins) = (&model.means, &rows.origins);
                let buffers = [sums[0], sums[1], &means[0], &means[1], &origins[0], &origins[1], &model.weights[0], out];
                list.push(bind("gradient", &buffers)?.dispatch(at, quads.div_ceil(64), 4.0 * terms * quads as f64)?);
            }
            if form.scatter {
                let weights = &model.weights[index(strata)];
                let buffers = [sums[2], sums[0], &model.means[0], &rows.origins[0], weights, out];
                list.push(bind("finish", &buffers)?.dispatch(at, quads.div_ceil(64), 4.0 * terms * quads as f64)?);
            }
            Ok::<_, crate::Error>(list)
        };
        let groups_list = ends(
            [&rows.coefficient_sums[0], &rows.coefficient_sums[1], &rows.scattered],
            &group_gradients,
            Entry::Student,
            quads * n_groups,
        )?;

        let mut step_list = rows.gradient_list.clone();
        let mut total = |name: &str, from: &wgpu::Buffer, to: &wgpu::Buffer, entry: Entry, quads: usize| {
            let bound = bind(name, &[from, to])?;
            step_list.push(bound.dispatch(rows.offset_of(entry), quads.div_ceil(64), (4 * quads * n_groups) as f64)?);
            Ok::<_, crate::Error>(())
        };
        total("total_pairs", &rows.coefficient_sums[0], &student, Entry::StudentTotal, rows.n_pairs * widths.student)?;
        if form.own_rows {
            total("total_pairs", &rows.coefficient_sums[1], &teacher, Entry::TeacherTotal, rows.n_pairs * widths.teacher)?;
        }
        if form.scatter {
            total("total_scattered", &rows.scattered, &scattered, Entry::StudentTotal, quads)?;
        }
        step_list.extend(ends([&student, &teacher, &scattered], &gradient, Entry::StudentTotal, quads)?);
        let update = bind("update", &[&gradient, &rates, &model.means[0], &model.state])?;
        step_list.push(update.dispatch(rows.offset_of(Entry::StudentTotal), quads.div_ceil(64), (8 * quads) as f64)?);
        Ok(Self { group_gradients, n_numbers: 4 * quads * n_groups, rates, groups_list, step_list })
    }
}
