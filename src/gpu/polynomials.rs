//! Piecewise polynomials on a GPU: Gram matrices of features, and steps of the reverse diffusion.
//!
//! The host sorts rows by cell into jobs of [`JOB`] rows. The device evaluates features into a scratch table and multiplies it by its own
//! transpose, job by job in register tiles. The host adds the jobs in double precision, in order.

use super::handle::Handle;
use crate::backend::polynomials::{CLIP, Cells, Gram, Polynomials, Step};
use crate::error::Result;
use crate::gpu::device::command::Dispatch;
use crate::gpu::device::params;
use crate::gpu::device::shaders::Kernel;

/// Rows whose sums are in single precision.
const JOB: usize = 2048;
/// The cell of a padding row; twin of `shaders/hermite.wgsl`.
const NO_CELL: u32 = u32::MAX;

/// An open GPU, as `mixscore learn` uses it.
pub(super) struct GpuPolynomials {
    pub handle: Handle,
}

/// The data of one set of cells on the device.
struct Level {
    centres: wgpu::Buffer,
    products: wgpu::Buffer,
    /// σ, the clip, pull, spread.
    numbers: wgpu::Buffer,
    /// Quads of a point, and of a row of F.
    quads: usize,
    columns: usize,
    features: usize,
    rank: usize,
    n_cells: usize,
}

impl Level {
    fn params(&self, rows: usize) -> params::Polynomials {
        params::Polynomials {
            rank: self.rank as u32,
            rank_quads: self.quads as u32,
            n_cells: self.n_cells as u32,
            n_features: self.features as u32,
            column_quads: self.columns as u32,
            n_rows: rows as u32,
            ..params::Polynomials::default()
        }
    }
}

impl Polynomials for GpuPolynomials {
    fn grams(&mut self, cells: &Cells, y: &[f32], target: &[f32]) -> Result<Vec<Gram>> {
        let level = self.level(cells, cells.rank(), [0.0; 2])?;
        let rank = level.rank;
        let jobs = jobs(&self.cells_of(&level, y)?, level.n_cells);
        let mut grams = vec![Gram::zero(level.features, rank); level.n_cells];
        let together = self.rows_of_a_chunk(&level, JOB)? / JOB;
        for jobs in jobs.chunks(together) {
            let sums = self.sums(&level, jobs, y, target)?;
            for ((cell, rows), sums) in jobs.iter().zip(sums.chunks_exact(16 * level.columns * level.columns)) {
                add(&mut grams[*cell], rows.len(), sums, &level);
            }
        }
        Ok(grams)
    }

    fn reverse(&mut self, step: &Step, y: &mut [f32]) -> Result<()> {
        let level = self.level(&step.cells, 0, [step.pull, step.spread])?;
        let coefficients = self.handle.context.upload("coefficients", &by_column(step.coefficients, &level))?;
        let rows = self.rows_of_a_chunk(&level, 64)?;
        for (chunk, y) in y.chunks_mut(rows * level.rank).enumerate() {
            self.reverse_chunk(&level, &coefficients, [step.key[0], step.key[1], step.step, (chunk * rows) as u32], y)?;
        }
        Ok(())
    }
}

impl GpuPolynomials {
    /// Uploads `cells`, for rows of F with `extra` columns behind the features.
    fn level(&self, cells: &Cells, extra: usize, [pull, spread]: [f32; 2]) -> Result<Level> {
        let (context, rank, features) = (&self.handle.context, cells.rank(), cells.basis.len());
        context.limits.check_passes(cells.len() * (2 + rank.div_ceil(4)))?; // cells.wgsl loops over all coordinates of all centres
        let products: Vec<[u32; 4]> = cells.basis.steps().iter().map(|(f, c, n)| [*f as u32, *c as u32, *n as u32, 0]).collect();
        Ok(Level {
            centres: context.upload("centres", &in_quads(cells.centres, rank))?,
            products: context.upload("products", &products)?,
            numbers: context.upload("numbers of a level", &[[cells.sigma, CLIP, pull, spread]])?,
            quads: rank.div_ceil(4),
            columns: (features + extra).div_ceil(4),
            features,
            rank,
            n_cells: cells.len(),
        })
    }

    /// Rows per chunk, in multiples of `unit`, so that features and Gram matrices fit a part of the scratch memory.
    fn rows_of_a_chunk(&self, level: &Level, unit: usize) -> Result<usize> {
        let limits = &self.handle.context.limits;
        let (row, square) = (16 * level.columns as u64, 64 * (level.columns * level.columns) as u64);
        limits.check("the features of one job", row * unit as u64)?;
        limits.check("one Gram matrix", square)?;
        let aim = limits.scratch.min(limits.binding).min(limits.buffer);
        let most = self.handle.row_budget.map_or(u64::MAX, |rows| (rows / unit) as u64);
        Ok((aim / (row * unit as u64).max(square)).min(most).max(1) as usize * unit)
    }

    /// The cell of every row of `y` (n, rank).
    fn cells_of(&self, level: &Level, y: &[f32]) -> Result<Vec<u32>> {
        let context = &self.handle.context;
        let most = (context.limits.binding / (16 * level.quads as u64)).min(1 << 20) as usize;
        let mut out = Vec::with_capacity(y.len() / level.rank);
        for y in y.chunks(most * level.rank) {
            let rows = y.len() / level.rank;
            let points = context.upload("points", &in_quads(y, level.rank))?;
            let cells = context.buffer("cells", 4 * rows as u64)?;
            context.run(&[self.nearest(level, &points, &cells, rows)?], 1)?;
            out.extend(context.download::<u32>(&cells, rows)?);
        }
        Ok(out)
    }

    fn nearest(&self, level: &Level, y: &wgpu::Buffer, cells: &wgpu::Buffer, rows: usize) -> Result<Dispatch> {
        let work = (12 * rows * level.n_cells * level.quads) as f64;
        self.dispatch(
            Kernel::Cells,
            level.params(rows),
            &[("y", y), ("centres", &level.centres), ("cells", cells)],
            rows.div_ceil(64),
            work,
        )
    }

    /// The dispatch that evaluates the features of rows.
    fn features(&self, level: &Level, params: params::Polynomials, [y, targets, cells, out]: [&wgpu::Buffer; 4]) -> Result<Dispatch> {
        let quads = params.n_rows as usize * level.columns;
        let buffers = [
            ("y", y),
            ("targets", targets),
            ("cells", cells),
            ("centres", &level.centres),
            ("products", &level.products),
            ("level", &level.numbers),
            ("out", out),
        ];
        self.dispatch(Kernel::Hermite, params, &buffers, quads.div_ceil(64), 100.0 * quads as f64)
    }

    fn dispatch(
        &self,
        kernel: Kernel,
        params: params::Polynomials,
        buffers: &[(&str, &wgpu::Buffer)],
        workgroups: usize,
        work: f64,
    ) -> Result<Dispatch> {
        let context = &self.handle.context;
        let (params, entry) = params::one(params);
        let params = context.uniform(&params);
        context.guarded(|| self.handle.kernels.bind(context, kernel, &params, buffers)?.dispatch(entry, workgroups, work))
    }

    /// (jobs, columns, columns): FᵀF of each job, lower half.
    fn sums(&self, level: &Level, jobs: &[(usize, Vec<u32>)], y: &[f32], target: &[f32]) -> Result<Vec<f32>> {
        let (context, rank) = (&self.handle.context, level.rank);
        let mut cells = vec![NO_CELL; jobs.len() * JOB];
        let (mut points, mut targets) = (vec![0.0f32; cells.len() * 4 * level.quads], vec![0.0f32; cells.len() * 4 * level.quads]);
        for (job, (cell, rows)) in jobs.iter().enumerate() {
            for (row, from) in rows.iter().enumerate() {
                let (at, from) = ((job * JOB + row) * 4 * level.quads, *from as usize * rank);
                cells[job * JOB + row] = *cell as u32;
                points[at..at + rank].copy_from_slice(&y[from..from + rank]);
                targets[at..at + rank].copy_from_slice(&target[from..from + rank]);
            }
        }
        let counts: Vec<u32> = jobs.iter().map(|job| job.1.len() as u32).collect();
        let (points, targets) = (context.upload("points", &points)?, context.upload("targets", &targets)?);
        let (cells, counts) = (context.upload("cells", &cells)?, context.upload("counts", &counts)?);
        let table = context.buffer("features", (16 * jobs.len() * JOB * level.columns) as u64)?;
        let n_sums = 16 * jobs.len() * level.columns * level.columns;
        let out = context.buffer("Gram matrices", 4 * n_sums as u64)?;

        let told = level.params(jobs.len() * JOB);
        let params = params::Polynomials { n_jobs: jobs.len() as u32, rows_per_job: JOB as u32, has_targets: 1, ..told };
        let (side, tile) = (4 * level.columns, self.handle.kernels.tile(level.columns));
        let tiles = jobs.len() * side.div_ceil(64) * side.div_ceil(tile.columns);
        let buffers = [("features", &table), ("counts", &counts), ("out", &out)];
        let list = [
            self.features(level, params, [&points, &targets, &cells, &table])?,
            self.dispatch(Kernel::Gram { tile }, params, &buffers, tiles, (jobs.len() * JOB * side * side) as f64)?,
        ];
        context.run(&list, 1)?;
        context.download(&out, n_sums)
    }

    /// One step for the points of a chunk; `noise` is the key, the step and the index of the first point.
    fn reverse_chunk(&self, level: &Level, coefficients: &wgpu::Buffer, noise: [u32; 4], y: &mut [f32]) -> Result<()> {
        let (context, rows) = (&self.handle.context, y.len() / level.rank);
        let points = context.upload("points", &in_quads(y, level.rank))?;
        let cells = context.buffer("cells", 4 * rows as u64)?;
        let table = context.buffer("features", (16 * rows * level.columns) as u64)?;
        let none = context.buffer("no targets", 16)?;
        let noise = context.upload("noise", &[noise])?;
        let buffers = [
            ("features", &table),
            ("coefficients", coefficients),
            ("cells", &cells),
            ("centres", &level.centres),
            ("level", &level.numbers),
            ("noise", &noise),
            ("y", &points),
        ];
        let quads = rows * level.quads;
        let list = [
            self.nearest(level, &points, &cells, rows)?,
            self.features(level, level.params(rows), [&points, &none, &cells, &table])?,
            self.dispatch(Kernel::ReverseDiffusion, level.params(rows), &buffers, quads.div_ceil(64), (32 * quads * level.columns) as f64)?,
        ];
        context.run(&list, 1)?;
        let moved: Vec<f32> = context.download(&points, 4 * quads)?;
        for (y, moved) in y.chunks_exact_mut(level.rank).zip(moved.chunks_exact(4 * level.quads)) {
            y.copy_from_slice(&moved[..level.rank]);
        }
        Ok(())
    }
}

/// Rows (n, rank) padded with zeros to whole quads.
fn in_quads(rows: &[f32], rank: usize) -> Vec<f32> {
    let width = rank.next_multiple_of(4);
    let mut out = vec![0.0; rows.len() / rank * width];
    out.chunks_exact_mut(width).zip(rows.chunks_exact(rank)).for_each(|(out, row)| out[..rank].copy_from_slice(row));
    out
}

/// Coefficients (C, rank, features) as (C, columns of F, quads of a point).
fn by_column(coefficients: &[f32], level: &Level) -> Vec<f32> {
    let (width, columns) = (4 * level.quads, 4 * level.columns);
    let mut out = vec![0.0; level.n_cells * columns * width];
    for (cell, own) in coefficients.chunks_exact(level.rank * level.features).enumerate() {
        for (at, value) in own.iter().enumerate() {
            let (c, f) = (at / level.features, at % level.features);
            out[(cell * columns + f) * width + c] = *value;
        }
    }
    out
}

/// Cell and rows of each job, cell by cell, in the order of the rows.
fn jobs(cells: &[u32], n_cells: usize) -> Vec<(usize, Vec<u32>)> {
    let mut rows = vec![Vec::new(); n_cells];
    cells.iter().enumerate().for_each(|(row, cell)| rows[*cell as usize].push(row as u32));
    rows.iter().enumerate().flat_map(|(cell, rows)| rows.chunks(JOB).map(move |rows| (cell, rows.to_vec()))).collect()
}

/// Adds a job's sums (columns, columns), lower half, to those of its cell.
fn add(gram: &mut Gram, n: usize, sums: &[f32], level: &Level) {
    let (features, side) = (level.features, 4 * level.columns);
    gram.n += n;
    for row in 0..features {
        for column in 0..=row {
            gram.gram[column * features + row] += f64::from(sums[row * side + column]);
        }
    }
    for c in 0..level.rank {
        for f in 0..features {
            gram.moment[c * features + f] += f64::from(sums[(features + c) * side + f]);
        }
    }
}
