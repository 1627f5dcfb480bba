//! Where the rows of a chunk come from: independent draws, with or without their negatives, a table of nodes, or Sobol points.

use super::buffers::{Sizes, Spec};
use super::model::{Model, padded};
use super::plan::{Chunk, sobol_quads};
use super::rows::{Rows, offset};
use crate::error::Result;
use crate::gpu::device::context::Context;
use crate::gpu::device::kernels::{Bound, Dispatch, Kernels};
use crate::objective::axes::AXES;
use crate::objective::divergence::Sampler;
use crate::random::sobol;

/// The kernels that draw, and what they fill.
pub struct Draws {
    /// (rows, feature quads)
    pub z: wgpu::Buffer,
    /// (rows)
    pub weight: wgpu::Buffer,
    draw: Bound,
    sobol: Option<Sobol>,
}

/// What is found before Sobol points are.
struct Sobol {
    /// The axes of every stratum, which follow the means.
    axes: Bound,
    /// What scrambles the nets of a chunk.
    scrambles: Bound,
    net_size: usize,
}

/// Points of a net that are looked up: the LOW of the shader.
const LOW: usize = 256;

impl Draws {
    /// # Errors
    /// The device's.
    pub fn new(context: &Context, kernels: &Kernels, model: &Model, spec: &Spec, sizes: &Sizes, rows: &Rows) -> Result<Self> {
        let half = if spec.half { "_f16" } else { "" };
        let bind = |name: &str, buffers: &[&wgpu::Buffer]| kernels.bind(context, name, &rows.params, buffers);
        let keys = context.upload("keys", &spec.keys)?;
        let (z, weight) = (context.buffer("draws", sizes.draws)?, context.buffer("weights of rows", sizes.per_row / 4)?);
        if spec.sampler == Sampler::Sobol {
            let (means, origins, offsets, quads) = (&model.means, &rows.origins, &rows.offsets, model.widths.features);
            let axes = context.buffer("the axes of all strata", (16 * rows.n_pairs * ((AXES + 1) * quads + 2)) as u64)?;
            let n_candidates = model.n_components[0] + model.n_components[1];
            let candidates = context.buffer("candidates for axes", (8 * rows.n_pairs * n_candidates) as u64)?;
            let points = context.upload("points of a net", &points(quads, spec.net_size))?;
            let scrambles = context.buffer("scrambles", sizes.scrambles)?;
            let buffers = [&means[0], &means[1], &origins[0], &origins[1], &offsets[0], &offsets[1], &candidates, &axes];
            let sobol = Sobol {
                axes: bind("axes", &buffers)?,
                scrambles: bind("scrambles", &[&keys, &model.state, &points, &scrambles])?,
                net_size: spec.net_size,
            };
            let draw = bind(&format!("sobol{half}"), &[&keys, &model.state, &points, &scrambles, &axes, &z, &weight])?;
            return Ok(Self { draw, sobol: Some(sobol), z, weight });
        }
        let nodes = context.upload("nodes", &spec.grid.map(|g| padded(&g.nodes, model.rank)).unwrap_or_default())?;
        let shares: Vec<f32> = spec.grid.map(|g| g.weights.iter().map(|w| *w as f32).collect()).unwrap_or_default();
        let shares = context.upload("weights of nodes", &shares)?;
        let draw = bind(&format!("draw{half}"), &[&keys, &model.state, &nodes, &shares, &z, &weight])?;
        Ok(Self { draw, sobol: None, z, weight })
    }

    /// The draws of a chunk, whose origins are known.
    ///
    /// # Errors
    /// [`crate::Error::TooLarge`] for too many workgroups.
    pub fn chunk(&self, model: &Model, chunk: &Chunk, c: usize) -> Result<Vec<Dispatch>> {
        let (rows, features) = (chunk.rows(), model.widths.features);
        let Some(sobol) = &self.sobol else {
            return Ok(vec![self.draw.dispatch(offset(c, 0), (rows * features).div_ceil(64), (rows * features * 600) as f64)?]);
        };
        let mut out = Vec::new();
        if chunk.meets_pairs {
            let numbers = chunk.n_pairs * (model.n_components[0] + model.n_components[1]) * features;
            out.push(sobol.axes.dispatch(offset(c, 0), chunk.n_pairs, (100 * numbers) as f64)?);
        }
        let scrambles = chunk.n_pairs * chunk.nets(sobol.net_size) * 2 * sobol_quads(features);
        out.push(sobol.scrambles.dispatch(offset(c, 0), scrambles.div_ceil(64), (400 * scrambles) as f64)?);
        out.push(self.draw.dispatch(offset(c, 0), rows.div_ceil(64), (rows * features * 500) as f64)?);
        Ok(out)
    }
}

/// The first points of a net before scrambling, then every [`LOW`]-th, shape (points, quads).
pub fn points(quads: usize, net_size: usize) -> Vec<[u32; 4]> {
    let quad = |index: usize, quad: usize| std::array::from_fn(|lane| sobol::reversed(index as u32, 4 * quad + lane));
    let indices = (0..net_size.min(LOW)).chain((0..net_size).step_by(LOW));
    indices.flat_map(|index| (0..sobol_quads(quads)).map(move |q| quad(index, q))).collect()
}
