//! Both mixtures of a batch of replicates in GPU buffers.

use super::plan::Widths;
use crate::backend::UnitProblem;
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::objective::divergence::Side;

/// Means and weights of either side; index 0 is the student, 1 the teacher.
pub(crate) struct Model {
    pub n_replicates: usize,
    pub rank: usize,
    /// k and K.
    pub n_components: [usize; 2],
    pub widths: Widths,
    /// (R, components, feature quads)
    pub means: [wgpu::Buffer; 2],
    /// (components): w, ln w
    pub weights: [wgpu::Buffer; 2],
    /// (1): the step whose draws are used next
    pub state: wgpu::Buffer,
    /// (k): the factor of the gradient in a step; zeros until a descent sets them
    pub rates: wgpu::Buffer,
}

/// 0 for the student, 1 for the teacher.
pub(crate) fn index(side: Side) -> usize {
    match side {
        Side::Student => 0,
        Side::Teacher => 1,
    }
}

impl Model {
    /// The teacher of the problem, and a student whose means are set later.
    pub(crate) fn new(context: &Context, problem: &UnitProblem) -> Result<Self> {
        let n_components = [problem.n_components(), problem.n_teacher_components()];
        let widths = Widths::new(problem.rank, n_components[0], n_components[1]);
        let student_bytes = (problem.n_replicates * n_components[0] * widths.features * 16) as u64;
        let teacher = padded(&problem.teacher_means, problem.rank);
        Ok(Self {
            n_replicates: problem.n_replicates,
            rank: problem.rank,
            n_components,
            widths,
            means: [context.buffer("the student's means", student_bytes)?, context.upload("the teacher's means", &teacher)?],
            weights: [
                context.upload("the student's weights", &with_logarithms(&problem.student_weights))?,
                context.upload("the teacher's weights", &with_logarithms(&problem.teacher_weights))?,
            ],
            state: context.upload("the step", &[0u32; 4])?,
            rates: context.upload("rates", &vec![0f32; n_components[0]])?,
        })
    }

    /// Quads of a side's responsibilities.
    pub(crate) fn quads(&self, side: usize) -> usize {
        [self.widths.student, self.widths.teacher][side]
    }
}

/// The length of a padded row of `rank`.
fn width(rank: usize) -> usize {
    4 * Widths::new(rank, 1, 1).features
}

/// Rows of `rank` numbers in single precision, padded with zeros.
pub(crate) fn padded(rows: &[f64], rank: usize) -> Vec<f32> {
    let width = width(rank);
    let mut out = vec![0.0; rows.len() / rank * width];
    for (to, from) in out.chunks_exact_mut(width).zip(rows.chunks_exact(rank)) {
        to.iter_mut().zip(from).for_each(|(to, from)| *to = *from as f32);
    }
    out
}

/// The inverse of [`padded`], in double precision.
pub(crate) fn unpadded(rows: &[f32], rank: usize) -> Vec<f64> {
    rows.chunks_exact(width(rank)).flat_map(|row| row[..rank].iter().map(|v| f64::from(*v))).collect()
}

/// w and ln w, the logarithm taken in double precision.
pub(crate) fn with_logarithms(weights: &[f64]) -> Vec<[f32; 2]> {
    weights.iter().map(|w| [*w as f32, w.ln() as f32]).collect()
}
