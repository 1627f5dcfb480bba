//! The kernels of a chunk, each bound to its buffers.

use super::buffers::{Sizes, Spec, Terms};
use super::draws::Draws;
use super::model::{Model, index};
use super::rows::Rows;
use crate::error::Result;
use crate::gpu::device::command::Bound;
use crate::gpu::device::context::Context;
use crate::gpu::device::factor::Factor;
use crate::gpu::device::kernels::Kernels;
use crate::gpu::device::shaders::{Kernel, Tile};

/// The factors of matrix products.
pub(super) struct Factors {
    pub z: Factor,
    pub responsibilities: [Factor; 2],
    pub vectors: [Factor; 2],
    pub means: [Factor; 2],
}

/// Kernels from posteriors to sums of coefficients.
pub(super) struct GradientStages {
    pub projections: [Bound; 2],
    pub centre: [Bound; 2],
    pub coefficients: [Bound; 2],
    pub fold: [Bound; 2],
    pub scatter: Option<Bound>,
    pub score: Option<Score>,
}

/// Sums of the score-function form beside those of Stein's: over blocks, then over groups.
pub(super) struct Score {
    pub blocks: Bound,
    pub fold: Bound,
}

/// The tiles of products over components of either side and over features.
#[derive(Clone, Copy)]
pub(super) struct Tiles {
    pub components: [Tile; 2],
    pub features: Tile,
}

/// Invocations per row of components of either side, or of features.
#[derive(Clone, Copy)]
pub(super) struct Lanes {
    pub components: [usize; 2],
    pub features: usize,
}

/// The buffers of a chunk.
pub(super) struct Scratch {
    pub frames: wgpu::Buffer,
    pub log_weights: wgpu::Buffer,
    pub responsibilities: [wgpu::Buffer; 2],
    pub vectors: [wgpu::Buffer; 2],
    pub log_masses: wgpu::Buffer,
    pub statistics: wgpu::Buffer,
    pub partials: wgpu::Buffer,
}

impl Scratch {
    pub(super) fn new(context: &Context, sizes: &Sizes) -> Result<Self> {
        let buffer = |label, bytes| context.buffer(label, bytes);
        let [student, teacher] = sizes.responsibilities;
        Ok(Self {
            frames: buffer("frames", sizes.frames)?,
            log_weights: buffer("log-weights of origins", 2 * sizes.origins)?,
            responsibilities: [buffer("responsibilities", student)?, buffer("responsibilities", teacher)?],
            vectors: [buffer("vectors", sizes.vectors)?, buffer("vectors", sizes.vectors)?],
            log_masses: buffer("log-masses", sizes.per_row / 2)?,
            statistics: buffer("statistics", 2 * sizes.per_row)?,
            partials: buffer("partial sums", sizes.partials)?,
        })
    }
}

impl Factors {
    pub(super) fn new(
        context: &Context,
        kernels: &Kernels,
        model: &Model,
        spec: &Spec,
        sizes: &Sizes,
        z: &wgpu::Buffer,
        of: &Scratch,
    ) -> Result<Self> {
        let spread = kernels.variant.spread;
        let factor = |buffer: &wgpu::Buffer, quads: usize| Factor::new(context, buffer, quads, spread);
        let pair = |buffers: &[wgpu::Buffer; 2], quads: [usize; 2]| {
            Ok::<_, crate::Error>([factor(&buffers[0], quads[0])?, factor(&buffers[1], quads[1])?])
        };
        let quads = |bytes: u64| (bytes / 16) as usize;
        let of_means = model.n_components.map(|n| model.n_replicates * n * model.widths.features);
        Ok(Self {
            z: Factor::new(context, z, quads(sizes.vectors), spread && !spec.half)?,
            responsibilities: pair(&of.responsibilities, sizes.responsibilities.map(quads))?,
            vectors: pair(&of.vectors, [quads(sizes.vectors); 2])?,
            means: pair(&model.means, of_means)?,
        })
    }
}

/// Binds the kernels of a chunk; `s` is a side.
pub(super) struct Binder<'a> {
    pub context: &'a Context,
    pub kernels: &'a Kernels,
    pub model: &'a Model,
    pub spec: &'a Spec<'a>,
    pub rows: &'a Rows,
    pub draws: &'a Draws,
    pub scratch: &'a Scratch,
    pub factors: &'a Factors,
    pub tiles: Tiles,
    pub lanes: Lanes,
}

/// The same for both sides.
pub(super) fn both(bound: impl Fn(usize) -> Result<Bound>) -> Result<[Bound; 2]> {
    Ok([bound(0)?, bound(1)?])
}

impl Binder<'_> {
    pub(super) fn bind(&self, kernel: Kernel, buffers: &[(&str, &wgpu::Buffer)]) -> Result<Bound> {
        self.kernels.bind(self.context, kernel, &self.rows.params, buffers)
    }

    /// A product of rows with the means of a side.
    fn product(&self, kernel: Kernel, left: &Factor, s: usize, others: [(&str, &wgpu::Buffer); 3]) -> Result<Bound> {
        let mut resources = vec![("rows", left.resource()), ("means", self.factors.means[s].resource())];
        resources.extend(others.map(|(name, buffer)| (name, buffer.as_entire_binding())));
        self.kernels.bind_resources(self.context, kernel, &self.rows.params, &resources)
    }

    /// Sums `partials` of blocks into `sums` of groups.
    pub(super) fn fold(&self, partials: &wgpu::Buffer, sums: &wgpu::Buffer) -> Result<Bound> {
        self.bind(Kernel::Fold, &[("partials", partials), ("sums", sums)])
    }

    pub(super) fn origin(&self, s: usize) -> Result<Bound> {
        let Self { model, rows, scratch, .. } = self;
        let mixtures = [("centres", self.spec.centres), ("means", &model.means[s]), ("weights", &model.weights[s])];
        let (frames, log_weights) = (("frames", &scratch.frames), ("origin_log_weights", &scratch.log_weights));
        let out = [("origins", &rows.origins[s]), ("offsets", &rows.offsets[s]), frames, log_weights];
        self.bind(Kernel::Origin, &[&mixtures[..], &out].concat())
    }

    pub(super) fn logits(&self, s: usize) -> Result<Bound> {
        let kernel = Kernel::Logits { tile: self.tiles.components[s], half: self.spec.half };
        let (origins, offsets) = (("origins", &self.rows.origins[s]), ("offsets", &self.rows.offsets[s]));
        self.product(kernel, &self.factors.z, s, [origins, offsets, ("out", &self.scratch.responsibilities[s])])
    }

    pub(super) fn softmax(&self, s: usize) -> Result<Bound> {
        let Scratch { responsibilities, log_weights, log_masses, .. } = self.scratch;
        let buffers = [("logits", &responsibilities[s]), ("origin_log_weights", log_weights), ("log_masses", log_masses)];
        self.bind(Kernel::Softmax { lanes: self.lanes.components[s] }, &buffers)
    }

    pub(super) fn posterior(&self, s: usize) -> Result<Bound> {
        let kernel = Kernel::Posterior { tile: self.tiles.features };
        let (frames, out) = (("frames", &self.scratch.frames), ("out", &self.scratch.vectors[s]));
        self.product(kernel, &self.factors.responsibilities[s], s, [("origins", &self.rows.origins[s]), frames, out])
    }

    pub(super) fn statistics(&self) -> Result<Bound> {
        let Scratch { frames, vectors, log_masses, statistics, .. } = self.scratch;
        let buffers = [
            ("z", &self.draws.z),
            ("student_v", &vectors[0]),
            ("teacher_v", &vectors[1]),
            ("frames", frames),
            ("log_masses", log_masses),
            ("weight", &self.draws.weight),
            ("statistics", statistics),
        ];
        self.bind(Kernel::Statistics { lanes: self.lanes.features, half: self.spec.half }, &buffers)
    }

    pub(super) fn gradient(&self, terms: Terms, sizes: &Sizes) -> Result<GradientStages> {
        let Self { rows, factors, tiles, lanes, .. } = self;
        let Scratch { responsibilities, statistics, partials, .. } = self.scratch;
        let projected = sizes.responsibilities.map(|bytes| self.context.buffer("projections", bytes));
        let [student, teacher] = projected;
        let projected = [student?, teacher?];
        Ok(GradientStages {
            projections: both(|s| {
                // Without Stein's form, a has replaced V_p, and both sides project it.
                let left = &factors.vectors[if terms.stein { s } else { 0 }];
                let buffers = [("origins", &rows.origins[s]), ("offsets", &rows.offsets[s]), ("out", &projected[s])];
                self.product(Kernel::Projections { tile: tiles.components[s] }, left, s, buffers)
            })?,
            centre: both(|s| {
                let buffers = [("responsibilities", &responsibilities[s]), ("projections", &projected[s]), ("statistics", statistics)];
                self.bind(Kernel::Centre { lanes: lanes.components[s] }, &buffers)
            })?,
            coefficients: both(|s| {
                let (r, u) = (("responsibilities", &responsibilities[s]), ("projections", &projected[s]));
                self.bind(Kernel::Coefficients, &[r, u, ("statistics", statistics), ("partials", partials)])
            })?,
            fold: both(|s| self.fold(partials, &rows.coefficient_sums[s]))?,
            scatter: if terms.scatter { Some(self.scatter(&projected[0])?) } else { None },
            score: if terms.mixes() { Some(self.score(sizes)?) } else { None },
        })
    }

    fn scatter(&self, projections: &wgpu::Buffer) -> Result<Bound> {
        let Scratch { frames, responsibilities, vectors, statistics, .. } = self.scratch;
        let buffers = [
            ("responsibilities", &responsibilities[0]),
            ("projections", projections),
            ("residuals", &vectors[0]),
            ("z", &self.draws.z),
            ("frames", frames),
            ("statistics", statistics),
            ("strata_weights", &self.model.weights[index(self.spec.strata)]),
            ("sums", &self.rows.scattered),
        ];
        self.bind(Kernel::Scatter { tile: self.tiles.features, half: self.spec.half }, &buffers)
    }

    fn score(&self, sizes: &Sizes) -> Result<Score> {
        let Scratch { vectors, statistics, .. } = self.scratch;
        let partials = self.context.buffer("partial sums of the score function", sizes.score_partials)?;
        let (v_p, v_q) = (("student_v", &vectors[0]), ("teacher_v", &vectors[1]));
        let buffers = [("z", &self.draws.z), v_p, v_q, ("statistics", statistics), ("partials", &partials)];
        let blocks = self.bind(Kernel::ScoreFunction { half: self.spec.half }, &buffers)?;
        Ok(Score { blocks, fold: self.fold(&partials, &self.rows.score_sums)? })
    }
}
