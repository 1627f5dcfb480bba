//! The rows of a chunk: independent draws, with or without their negatives, a table of nodes, or Sobol points.

use super::buffers::{Sizes, Spec};
use super::entries::OfChunk;
use super::model::{Model, padded};
use super::plan::{Chunk, sobol_quads};
use super::rows::Rows;
use crate::error::Result;
use crate::gpu::device::command::{Bound, Dispatch};
use crate::gpu::device::context::Context;
use crate::gpu::device::kernels::Kernels;
use crate::gpu::device::shaders::Kernel;
use crate::objective::axes::AXES;
use crate::random::sobol;

/// The kernels that draw, and the buffers that they fill.
pub(crate) struct Draws {
    /// (rows, feature quads)
    pub z: wgpu::Buffer,
    /// (rows)
    pub weight: wgpu::Buffer,
    draw: Bound,
    sobol: Option<Sobol>,
}

/// What Sobol points need beside the net.
struct Sobol {
    /// The axes of every stratum, which depend on the means.
    axes: Bound,
    /// The scrambles of the nets of a chunk.
    scrambles: Bound,
    net_size: usize,
}

/// The first points of a net, which are looked up: LOW in the shader.
const LOW: usize = 256;

impl Draws {
    /// Binds the kernels that the draws of `spec` need.
    pub(crate) fn new(context: &Context, kernels: &Kernels, model: &Model, spec: &Spec, sizes: &Sizes, rows: &Rows) -> Result<Self> {
        let half = spec.half;
        let bind = |kernel: Kernel, buffers: &[(&str, &wgpu::Buffer)]| kernels.bind(context, kernel, &rows.params, buffers);
        let keys = context.upload("keys", &spec.keys)?;
        let (z, weight) = (context.buffer("draws", sizes.draws)?, context.buffer("weights of rows", sizes.per_row / 4)?);
        if spec.draws.is_nets() {
            let (means, origins, offsets, quads) = (&model.means, &rows.origins, &rows.offsets, model.widths.features);
            let axes = context.buffer("the axes of all strata", (16 * rows.n_pairs * ((AXES + 1) * quads + 2)) as u64)?;
            let n_candidates = model.n_components[0] + model.n_components[1];
            let candidates = context.buffer("candidates for axes", (8 * rows.n_pairs * n_candidates) as u64)?;
            let points = context.upload("points of a net", &points(quads, spec.net_size))?;
            let scrambles = context.buffer("scrambles", sizes.scrambles)?;
            let both_sides = [
                ("student_means", &means[0]),
                ("teacher_means", &means[1]),
                ("student_origins", &origins[0]),
                ("teacher_origins", &origins[1]),
                ("student_offsets", &offsets[0]),
                ("teacher_offsets", &offsets[1]),
            ];
            let addresses = [("keys", &keys), ("state", &model.state), ("points", &points), ("scrambles", &scrambles)];
            let sobol = Sobol {
                axes: bind(Kernel::Axes, &[&both_sides[..], &[("candidates", &candidates), ("axes", &axes)]].concat())?,
                scrambles: bind(Kernel::Scrambles, &addresses)?,
                net_size: spec.net_size,
            };
            let draw = bind(Kernel::Sobol { half }, &[&addresses[..], &[("axes", &axes), ("z", &z), ("weight", &weight)]].concat())?;
            return Ok(Self { draw, sobol: Some(sobol), z, weight });
        }
        let nodes = context.upload("nodes", &spec.grid.map(|g| padded(&g.nodes, model.rank)).unwrap_or_default())?;
        let node_weights: Vec<f32> = spec.grid.map(|g| g.weights.iter().map(|w| *w as f32).collect()).unwrap_or_default();
        let node_weights = context.upload("weights of nodes", &node_weights)?;
        let addresses = [("keys", &keys), ("state", &model.state), ("nodes", &nodes), ("node_weights", &node_weights)];
        let draw = bind(Kernel::Draw { half }, &[&addresses[..], &[("z", &z), ("weight", &weight)]].concat())?;
        Ok(Self { draw, sobol: None, z, weight })
    }

    /// The dispatches that draw a chunk, after its origins are known.
    pub(crate) fn chunk(&self, model: &Model, chunk: &Chunk, of: &OfChunk) -> Result<Vec<Dispatch>> {
        let (rows, features) = (chunk.rows(), model.widths.features);
        let Some(sobol) = &self.sobol else {
            return Ok(vec![self.draw.dispatch(of.draws, (rows * features).div_ceil(64), (rows * features * 600) as f64)?]);
        };
        let mut out = Vec::new();
        if chunk.meets_pairs {
            let numbers = chunk.n_pairs * (model.n_components[0] + model.n_components[1]) * features;
            out.push(sobol.axes.dispatch(of.axes, chunk.n_pairs, (100 * numbers) as f64)?);
        }
        let scrambles = chunk.n_pairs * chunk.nets(sobol.net_size) * 2 * sobol_quads(features);
        out.push(sobol.scrambles.dispatch(of.draws, scrambles.div_ceil(64), (400 * scrambles) as f64)?);
        out.push(self.draw.dispatch(of.draws, rows.div_ceil(64), (rows * features * 500) as f64)?);
        Ok(out)
    }
}

/// The first points of a net before scrambling, then every `LOW`-th, shape (points, quads).
pub(crate) fn points(quads: usize, net_size: usize) -> Vec<[u32; 4]> {
    let quad = |index: usize, quad: usize| std::array::from_fn(|lane| sobol::reversed(index as u32, 4 * quad + lane));
    let indices = (0..net_size.min(LOW)).chain((0..net_size).step_by(LOW));
    indices.flat_map(|index| (0..sobol_quads(quads)).map(move |q| quad(index, q))).collect()
}
